"""A folder of results for Cityscapes' server against the images it is for, by the rules of cityscapesScripts.

The form is that of data/cityscapes_submission.py. evalInstanceLevelSemanticLabeling.py stops at the first error, but
where a mask is named twice in a text it drops the first line without a word.
"""

import math
import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from queryinst_vis.data.cityscapes_labels import LABEL_IDS, LABELS
from queryinst_vis.data.cityscapes_submission import frame_name, read_mask
from queryinst_vis.data.json_tables import DatasetError, Rows
from queryinst_vis.errors import UserError
from queryinst_vis.submission.report import Kinds, Problem, Report, shown
from queryinst_vis.submission.rules import Fault

CITYSCAPES = Kinds(
    errors={
        "no_text": "images without a text file",
        "several_texts": "images with several text files",
        "not_a_text": "text files that cannot be read",
        "line": "lines that are not PATH LABEL SCORE",
        "path": "paths that are not relative, or leave the folder",
        "label": "numbers that are no label of Cityscapes",
        "score": "scores that are no finite numbers",
        "duplicate": "masks that are named twice in a text file",
        "no_mask": "masks that are not there",
        "not_a_mask": "masks that cannot be read as a picture",
        "mask_size": "masks not of their image's size",
    },
    warnings={
        "other_label": "labels that are not looked at",
        "low_score": "scores below 0, which count as less than what was not found",
        "empty_mask": "masks without a pixel, which are not looked at",
        "no_entry": "images without any result",
        "other_files": "files that nothing names",
    },
    size="{num_entries} results for {num_images} images",
)
_LABEL = re.compile(r"-?[0-9]{1,9}")
_KNOWN_IDS = {label.id for label in LABELS}
_COUNTED_IDS = set(LABEL_IDS.values())


def check_cityscapes_results(folder: str | Path, images: Rows, *, num_examples: int = 5) -> Report:
    """All that the server would refuse or score wrongly in a folder of results, one mask in memory at a time.

    images: rows of the JSON of `convert-cityscapes`, as `read_coco` gives them; num_examples: problems of each kind that are kept
    in full. UserError: there is no such folder, or the images are not called as Cityscapes' are.
    """
    report = Report(kinds=CITYSCAPES, num_examples=num_examples)
    results = _Results(Path(folder), report)
    for image in images:
        results.check(image["file_name"], (image["height"], image["width"]))
    results.finish()
    report.facts["num_images"] = len(images)
    return report


class _Results:
    """What lies in a folder; checks of one image after the other say what is wrong with its part."""

    def __init__(self, folder: Path, report: Report) -> None:
        if not folder.is_dir():
            raise UserError(f"{folder}: expected the folder with the results, text files and masks (a zip: unpack it first)")
        self._root, self._report = Path(os.path.abspath(folder)), report
        self._files = {path for path in self._root.rglob("*") if path.is_file()}
        self._texts = sorted((path for path in self._files if path.suffix == ".txt"), key=lambda path: path.name)
        self._names = [path.name for path in self._texts]
        self._used: Counter[Path] = Counter()
        report.facts["bytes"] = sum(path.stat().st_size for path in self._files)

    def check(self, image: str, image_hw: tuple[int, int]) -> None:
        """One image, by its name in leftImg8bit."""
        texts = list(self._texts_of(frame_name(image)))
        self._used.update(texts)
        if not texts:
            self._add("no_text", f"expected {frame_name(image)}*.txt", Path(image))
        elif len(texts) > 1:
            self._add("several_texts", f"has {', '.join(self._named(text) for text in texts)}", Path(image))
        else:
            self._check_text(texts[0], image_hw)

    def finish(self) -> None:
        """When all images were checked."""
        for path in sorted(self._files - set(self._used)):
            self._add("other_files", "is for no image", path)

    def _texts_of(self, frame: str) -> Iterator[Path]:
        first = bisect_left(self._names, frame)
        for text, name in zip(self._texts[first:], self._names[first:], strict=True):
            if not name.startswith(frame):
                return
            yield text

    def _check_text(self, text: Path, image_hw: tuple[int, int]) -> None:
        try:
            lines = text.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            self._add("not_a_text", str(error), text)
            return
        if lines == [""]:
            self._add("no_entry", "is empty", text)
            return
        masks: set[Path] = set()
        for number, line in enumerate(lines, start=1):
            for kind, fault in self._faults(line, text, image_hw, masks):
                self._add(kind, fault, text, number)
        self._report.facts["num_entries"] += len(lines)
        self._used.update(masks)

    def _faults(self, line: str, text: Path, image_hw: tuple[int, int], masks: set[Path]) -> Iterator[Fault]:
        """masks: of the lines before; gets this line's."""
        words = line.split(" ")
        if len(words) != 3 or not all(words):
            yield "line", f"is {shown(line)}, must be three words with one space between them"
            return
        relative, label, score = words
        yield from _label_faults(label)
        yield from _score_faults(score)
        path = Path(os.path.abspath(text.parent / relative))
        if os.path.isabs(relative) or not path.is_relative_to(self._root):
            yield "path", f"{shown(relative)} must lie in the folder, seen from the text file"
        elif path in masks:
            yield "duplicate", f"{relative} was named before"
        elif path not in self._files:
            yield "no_mask", f"there is no {relative}"
        else:
            masks.add(path)
            yield from _mask_faults(path, relative, image_hw)

    def _add(self, kind: str, text: str, file: Path, line: int | None = None) -> None:
        self._report.add(Problem(kind, text, file=self._named(file), line=line))

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)


def _label_faults(text: str) -> Iterator[Fault]:
    label = int(text) if _LABEL.fullmatch(text) else None
    if label not in _KNOWN_IDS:
        yield "label", f"label {shown(text)}, must be one of {', '.join(f'{i} {name}' for name, i in LABEL_IDS.items())}"
    elif label not in _COUNTED_IDS:
        yield "other_label", f"label {label} is none of the benchmark's {len(LABEL_IDS)} classes"


def _score_faults(text: str) -> Iterator[Fault]:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        yield "score", f"score is {shown(text)}, must be a finite number"
    elif score < 0:
        yield "low_score", f"score is {text}"


def _mask_faults(path: Path, name: str, image_hw: tuple[int, int]) -> Iterator[Fault]:
    try:
        mask_hw, is_empty = read_mask(path)
    except DatasetError as error:
        yield "not_a_mask", f"{name}: {error}"
        return
    if mask_hw != image_hw:
        yield "mask_size", f"{name} has {mask_hw[1]} x {mask_hw[0]} pixels, its image {image_hw[1]} x {image_hw[0]}"
    if is_empty:
        yield "empty_mask", name
