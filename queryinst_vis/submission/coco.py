"""Files for COCO's detection server: a zip of boxes and one of masks, as it takes them, checked before it does."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from queryinst_vis.data.json_tables import Rows
from queryinst_vis.evaluation.coco_ap import IouType
from queryinst_vis.submission.archive import open_results
from queryinst_vis.submission.checking import check_entries
from queryinst_vis.submission.coco_rules import COCO, CocoRules
from queryinst_vis.submission.report import Report

_IMAGES_FILE = re.compile(r"(?:image_info|instances)_(.+)")  # as COCO names its files of annotations


def results_name(annotations: str | Path, algorithm: str) -> str:
    """What the server calls a file of results, by the set of images, as their file says it, and by what found the objects."""
    stem = Path(annotations).stem
    found = _IMAGES_FILE.fullmatch(stem)
    names = (re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-") for name in (found[1] if found else stem, algorithm))
    return "_".join(("detections", *(name or "unnamed" for name in names), "results.json"))


def pack_results(results: Path, name: str) -> Path:
    """A zip beside a JSON of results that holds it under that name."""
    path = results.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(results, name)
    return path


def check_coco_results(
    path: str | Path, content: Mapping[str, Rows], *, iou_type: IouType, name: str, num_examples: int = 5
) -> Report:
    """All that the server would refuse or score wrongly in a zip, in the memory of a few entries.

    content: of the images' file, as `read_coco` gives it; iou_type: "bbox" for boxes, "segm" for masks; name: what the results
    must be called; num_examples: problems of each kind that are kept in full. OSError when the file cannot be read at all.
    """
    report = Report(kinds=COCO, num_examples=num_examples)
    rules = CocoRules(content["images"], [category["id"] for category in content["categories"]], report, iou_type=iou_type)
    with open_results(Path(path), report, name) as stream:
        if stream is not None:
            check_entries(stream, rules, report)
    report.facts |= {"num_images": len(content["images"]), "num_entries": rules.num_entries}
    return report
