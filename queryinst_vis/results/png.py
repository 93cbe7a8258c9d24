"""png: a folder with a 16-bit image of track ids for each frame, frames without objects too (docs/result_formats.md).

FOLDER/000000.png ...; video.json says what they are of, objects.csv which id is of which category.
"""

import csv
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from queryinst_vis.data.id_png import MOST_IDS, id_png, read_id_png
from queryinst_vis.data.json_tables import DatasetError, read_json
from queryinst_vis.data.mots import frame_numbers
from queryinst_vis.errors import UserError
from queryinst_vis.ops.bounds import PIXELS
from queryinst_vis.outputs import check_new_folder, part_of
from queryinst_vis.results import checks
from queryinst_vis.results.base import Format, Hints, Part, ReadResult, ResultWriter, check_masks, disk_error
from queryinst_vis.results.flat import encode_where, flatten
from queryinst_vis.results.lines import LineFile
from queryinst_vis.results.masks_only import UNKNOWN_CLASS, UNKNOWN_SCORE, object_of_mask
from queryinst_vis.results.records import FrameRecord, Header

HOLDS = frozenset({Part.MASKS, Part.IDS, Part.CATEGORIES, Part.CLASSES, Part.EMPTY_FRAMES, Part.FACTS})
VIDEO, OBJECTS = "video.json", "objects.csv"


class PngWriter(ResultWriter):
    """The folder is NAME.part until it is closed; every file in it is complete at any moment."""

    def __init__(
        self, path: str | Path, header: Header, *, overwrite: bool = False, resume: dict[str, Any] | None = None
    ) -> None:
        """UserError: no folder may be made there."""
        super().__init__(path, header)
        self._folder = part_of(self.path)
        self._scores: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))  # sums: track id -> label
        self._left_out: set[int] = set()
        if resume is None:
            self._begin(overwrite=overwrite)
        else:
            self._go_on(resume)
        self._write(OBJECTS, self._table())
        self._rows = LineFile(self._folder / OBJECTS, self.path, is_stream=False, start=len(self._table()))
        self._is_open = True

    def _begin(self, *, overwrite: bool) -> None:
        if str(self.path) == "-":
            raise UserError("png is written as a folder; jsonl, csv and mot can go to standard output")
        check_new_folder(self.path, overwrite=overwrite, known_by=VIDEO)
        if self._folder.exists() and not overwrite:
            raise UserError(f"{self._folder} is left of an earlier run; move it away, or --overwrite replaces it")
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
        except OSError as error:
            raise disk_error(self.path, error, "nothing was written") from None
        video = self.header.facts() | {"categories": self.header.categories()}
        self._write(VIDEO, json.dumps(video).encode() + b"\n")

    def _go_on(self, resume: dict[str, Any]) -> None:
        images = _images(self._folder)
        if len(images) < resume["frames"]:
            raise UserError(f"{self._folder} does not hold the place to go on from")
        for _, path in images[resume["frames"] :]:
            path.unlink()
        self.num_frames = resume["frames"]
        for track_id, label, total in resume["scores"]:
            self._scores[track_id][label] = total

    def _add(self, record: FrameRecord) -> None:
        check_masks(record, FORMAT.kind)
        self._left_out |= {item.track_id for item in record.objects if item.track_id > MOST_IDS}
        objects = [item for item in record.objects if item.track_id <= MOST_IDS]
        new = [item.track_id for item in objects if item.track_id not in self._scores]
        for item in objects:
            self._scores[item.track_id][item.label] += item.score
        self._explain("".join(map(self._row, new)))
        ids = np.array([0, *(item.track_id for item in objects)], dtype=np.int32)
        self._write(f"{record.index:06d}.png", id_png(ids[flatten(objects, self.header.image_hw)]))

    def _row(self, track_id: int) -> str:
        """The category of an object is the one with the highest sum of scores."""
        sums = self._scores[track_id]
        name = self.header.classes[max(sums, key=lambda label: sums[label])].replace('"', '""')
        return f'{track_id},"{name}"\n'

    def _table(self) -> bytes:
        return "".join(["id,category\n", *map(self._row, sorted(self._scores))]).encode()

    def mark(self) -> dict[str, Any]:
        scores = [(track_id, label, total) for track_id, sums in self._scores.items() for label, total in sums.items()]
        return {"frames": self.num_frames, "scores": scores}

    def close(self) -> None:
        """Give the folder its name; an older one of that name goes."""
        if not self._is_open:
            return
        self._finish()
        old = self.path.with_name(self.path.name + ".old")
        if self.path.exists():
            shutil.rmtree(old, ignore_errors=True)
            self.path.rename(old)
        self._folder.rename(self.path)
        shutil.rmtree(old, ignore_errors=True)

    def keep(self) -> None:
        if self._is_open and self.num_frames:
            self._finish()
        elif self._is_open:
            self.suspend()
            shutil.rmtree(self._folder, ignore_errors=True)

    def suspend(self) -> None:
        if self._is_open:
            self._is_open = False
            self._rows.close()

    def _finish(self) -> None:
        """The table of objects with the categories of the whole video."""
        self._rows.close()
        self._write(OBJECTS, self._table())
        if self._left_out:
            self.problems.append(f"png holds ids up to {MOST_IDS}: {len(self._left_out)} objects above that were left out")
        self._is_open = False

    def _explain(self, rows: str) -> None:
        try:
            self._rows.write(rows)
        except OSError as error:
            raise self._failed(error) from None

    def _write(self, name: str, data: bytes) -> None:
        """A file that is complete or not there."""
        path = self._folder / name
        try:
            part_of(path).write_bytes(data)
            os.replace(part_of(path), path)
        except OSError as error:
            part_of(path).unlink(missing_ok=True)
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> UserError:
        if self._is_open:
            self._is_open = False
            self._rows.close()
        if self.num_frames:
            return disk_error(self.path, error, f"its {self.num_frames} frames are kept in {self._folder}")
        shutil.rmtree(self._folder, ignore_errors=True)
        return disk_error(self.path, error, "nothing was written")


def _images(folder: Path) -> list[tuple[int, Path]]:
    """Images by their frame's index."""
    paths = sorted(folder.glob("*.png"))
    return sorted(zip(frame_numbers([path.name for path in paths]), paths, strict=True))


def read(path: Path, hints: Hints) -> ReadResult:
    """A folder of images of ids, anybody's. DatasetError: it is none, or images differ in size."""
    images, where = _images(path), path / VIDEO
    if where.is_file():
        facts = read_json(where)
        names = checks.category_names(checks.field(facts, "categories", str(where)), str(where))
        header = checks.header(facts, names, str(where))
    elif images:
        height, width = read_id_png(images[0][1], max_pixels=PIXELS.most()).shape
        header = hints.header(path.name, (width, height), list(hints.classes or (UNKNOWN_CLASS,)))
    else:
        raise DatasetError(f"{path}: holds no PNG images")
    labels = _read_objects(path / OBJECTS, checks.labels(header.classes)) if (path / OBJECTS).is_file() else None
    holds = HOLDS if labels is not None else HOLDS - {Part.CATEGORIES, Part.CLASSES}
    return ReadResult(FORMAT.kind, header, holds, _frames(images, labels, header, hints))


def _read_objects(path: Path, labels: dict[str, int]) -> dict[int, int]:
    """Label by track id."""
    known = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                where = f"{path}: line {number}"
                track_id = checks.parse_whole(row.get("id"), f"{where}: the id", least=1)
                known[track_id] = checks.label(row.get("category"), labels, where)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None
    return known


def _frames(images: list[tuple[int, Path]], labels: dict[int, int] | None, header: Header, hints: Hints) -> Iterator[FrameRecord]:
    for index, path in images:
        ids = read_id_png(path, max_pixels=PIXELS.most())
        if ids.shape != header.image_hw:
            raise DatasetError(f"{path}: has {ids.shape[1]} x {ids.shape[0]} pixels, the video {header.width} x {header.height}")
        record = FrameRecord(checks.frame_index(index, str(path)), hints.time_of(index))
        for track_id in filter(None, np.unique(ids).tolist()):
            if labels is not None and track_id not in labels:
                raise DatasetError(f"{path}: has the id {track_id}, which {OBJECTS} does not explain")
            label = 0 if labels is None else labels[track_id]
            counts = encode_where(ids == track_id)
            if item := object_of_mask(track_id, label, counts, header.image_hw, score=UNKNOWN_SCORE):
                record.objects.append(item)
        yield record


FORMAT = Format("png", "a folder of 16-bit images of ids", HOLDS, PngWriter, read)
