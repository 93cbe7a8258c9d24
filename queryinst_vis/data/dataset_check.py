"""What is missing or wrong in a data set: all of it, each in a line. What one thing makes useless is not looked at twice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from queryinst_vis.data.class_labels import category_names
from queryinst_vis.data.coco_json import compress_code, encode_mask, has_mask, sound_coco, usable_box
from queryinst_vis.data.dataset_table import PublicDataset, Split
from queryinst_vis.data.image_check import check_images, listed_images
from queryinst_vis.data.json_tables import DatasetError, Rows, read_json
from queryinst_vis.data.ytvis_frames import frame_problems
from queryinst_vis.data.ytvis_json import sound_ytvis


@dataclass(slots=True)
class CheckReport:
    """facts: what is there; problems: what is not as it should be; both as lines."""

    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check_split(
    root: Path, dataset: PublicDataset, split: Split, *, decode: bool = False, on_image: Callable[[], None] = lambda: None
) -> CheckReport:
    """One split of a public data set under its root. decode: read every image; on_image: called after each."""
    annotations, images = (_present(root, places) for places in (split.annotations, split.images))
    if not split.needed and not annotations.exists() and not images.exists():
        return CheckReport(facts=["is not there; only a test server asks for it"])
    expected = {"kind": dataset.kind, "classes": dataset.classes, "count": split.count}
    report = check_files(annotations, images, **expected, decode=decode, on_image=on_image)  # type: ignore[arg-type]
    if not annotations.exists() or not images.exists():
        report.facts += [f"{path} is there and may hold what is missing: unpack it" for path in _archives(root, split.name)]
    return report


def check_files(
    annotations: Path,
    images: Path,
    *,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    count: int | None = None,
    decode: bool = False,
    on_image: Callable[[], None] = lambda: None,
) -> CheckReport:
    """An annotation file and its folder of images.

    kind: "ytvis" or "coco", by default what the file looks like; classes: the names its categories should have, by increasing id;
    count: of videos or images it should list; decode, on_image: as above.
    """
    report = CheckReport()
    if not images.is_dir():
        report.problems.append(f"{images}: no such folder of images")
    try:
        content = read_json(annotations, change=compress_code)
    except DatasetError as error:
        report.problems.insert(0, str(error))
        return report
    is_videos = (kind or _kind_of(content)) == "ytvis"
    tables, problems = (sound_ytvis if is_videos else sound_coco)(content)
    report.problems += [f"{annotations}: {problem}" for problem in problems]
    if not tables or not tables["videos" if is_videos else "images"]:
        return report
    report.facts.append(f"{annotations}: {_counts(tables)}")
    report.problems += _differences(tables, classes, count, name=str(annotations))
    report.problems += [f"{annotations}: {p}" for p in (frame_problems if is_videos else _object_problems)(tables)]
    if images.is_dir():
        facts, problems = check_images(listed_images(tables, images), images, decode=decode, on_image=on_image)
        report.facts += facts
        report.problems += problems
    return report


def _present(root: Path, places: Sequence[str]) -> Path:
    """The first place that exists, else the usual one."""
    return next((root / place for place in places if (root / place).exists()), root / places[0])


def _archives(root: Path, name: str) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.suffix in (".zip", ".tar", ".gz", ".7z") and name in p.name)


def _kind_of(content: Any) -> str:
    return "ytvis" if isinstance(content, dict) and "videos" in content else "coco"


def _counts(tables: dict[str, Rows]) -> str:
    counts = {name: len(rows) for name, rows in tables.items() if name != "annotations"}
    if "videos" in tables:
        counts["frames"] = sum(len(video["file_names"]) for video in tables["videos"])
        counts["masks"] = sum(sum(map(has_mask, annotation["segmentations"])) for annotation in tables["annotations"])
    else:
        counts["masks"] = sum(has_mask(annotation.get("segmentation")) for annotation in tables["annotations"])
    counts["objects"] = len(tables["annotations"])
    order = [name for name in ("videos", "images", "frames", "objects", "masks", "categories") if name in counts]
    return ", ".join(f"{counts[name]} {name}" for name in order)


def _differences(tables: dict[str, Rows], classes: Sequence[str] | None, count: int | None, *, name: str) -> Iterator[str]:
    """From what a public data set has."""
    listed = "videos" if "videos" in tables else "images"
    if count is not None and len(tables[listed]) != count:
        yield f"{name}: lists {len(tables[listed])} {listed}, the data set has {count}"
    try:
        names = category_names(tables["categories"], name=name)
    except DatasetError as error:
        yield str(error)
        return
    if classes is not None and names != tuple(classes):
        missing, more = ([n for n in a if n not in b] for a, b in ((classes, names), (names, classes)))
        difference = f"lacks {missing}, has {more} instead" if missing or more else f"has them in another order: {list(names)}"
        yield f"{name}: its categories are not those of the data set: {difference}"


def _object_problems(tables: dict[str, Rows]) -> Iterator[str]:
    """Boxes and masks of COCO's annotations that do not fit."""
    images = {image["id"]: image for image in tables["images"]}
    for annotation in tables["annotations"]:
        if image := images.get(annotation["image_id"]):
            image_hw, where = (image["height"], image["width"]), f"annotation {annotation['id']} of image {image['id']}"
            try:
                usable_box(annotation, image_hw, where=where)
                if has_mask(annotation.get("segmentation")):
                    encode_mask(annotation["segmentation"], image_hw)
            except DatasetError as error:
                yield str(error)
            except (ValueError, TypeError) as error:
                yield f"{where}: its segmentation cannot be read: {error}"
