"""coco: COCO's annotations with a score and a track id for each object, every frame an image; written from a spool."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from queryinst_vis.data.coco_json import check_coco
from queryinst_vis.data.json_tables import DatasetError, list_pieces, read_json
from queryinst_vis.detections import coco_annotation
from queryinst_vis.results import checks
from queryinst_vis.results.base import EVERYTHING, Hints, Part, ReadResult
from queryinst_vis.results.masks_only import UNKNOWN_SCORE
from queryinst_vis.results.records import FrameRecord, Header, ObjectRecord, in_frames
from queryinst_vis.results.spool import Document
from queryinst_vis.results.spooled import spooled_format


class CocoDocument(Document):
    """Images and annotations count from 1; image ids are the frame's index + 1."""

    def __iter__(self) -> Iterator[str]:
        yield f'{{"video": {json.dumps(self.header.facts())},\n"categories": {json.dumps(self.header.categories())},\n"images": '
        yield from list_pieces(json.dumps(self._image(record)) for record in self.spool.frames())
        yield ',\n"annotations": '
        yield from list_pieces(map(json.dumps, self._annotations()))
        yield "}\n"

    def _image(self, record: FrameRecord) -> dict[str, Any]:
        return {
            "id": record.index + 1,
            "file_name": f"{PurePath(self.header.video_name).stem}/{record.index:05d}.jpg",
            "width": self.header.width,
            "height": self.header.height,
            "frame_index": record.index,
            "time": record.time,
        }

    def _annotations(self) -> Iterator[dict[str, Any]]:
        number = 0
        for record in self.spool.frames():
            for item in record.objects:
                number += 1
                row = coco_annotation(record.index + 1, item.label, item.box, item.score, item.code(self.header.image_hw))
                yield {"id": number, "track_id": item.track_id} | row


def read(path: Path, hints: Hints) -> ReadResult:
    """Frames are in the order of `frame_index`, else of the file. DatasetError: it is none, or its objects have no track_id."""
    content, where = read_json(path), str(path)
    if isinstance(content, dict) and content.get("images") == [] and "video" in content:  # a video without frames
        names = checks.category_names(content.get("categories"), where)
        return ReadResult(FORMAT.kind, checks.header(content["video"], names, where), EVERYTHING, iter(()))
    facts = content.get("video") if isinstance(content, dict) else None
    tables = check_coco(content, name=where)
    names = checks.category_names(tables["categories"], where)
    header = _header(facts, tables["images"], names, where)
    frames = dict(_frames(tables["images"], hints, where))
    found = list(_rows(tables["annotations"], frames, header, checks.labels(names), where))
    records = {record.index: record for record in in_frames(found, where)}
    in_order = (records.get(index) or FrameRecord(index, time) for index, time in sorted(frames.values()))
    holds = EVERYTHING if facts else EVERYTHING - {Part.FACTS}
    return ReadResult(FORMAT.kind, header, holds, in_order)


def _header(facts: Any, images: list[dict[str, Any]], names: dict[int, str], where: str) -> Header:
    sizes = sorted({(image["width"], image["height"]) for image in images})
    if len(sizes) > 1:
        raise DatasetError(f"{where}: has images of different sizes, {sizes[0]} and {sizes[1]}: it is of no video")
    width, height = checks.size(*sizes[0], where)
    if isinstance(facts, dict):
        return checks.header(facts | {"width": width, "height": height}, names, where)
    return Header(Path(where).stem, width, height, None, None, tuple(names.values()))


def _frames(images: list[dict[str, Any]], hints: Hints, where: str) -> Iterator[tuple[int, tuple[int, float | None]]]:
    """(image id, (frame index, time)) of each image."""
    seen = set()
    for position, image in enumerate(images):
        here = f"{where}: image {image['id']}"
        index = checks.frame_index(image.get("frame_index", position), here)
        if index in seen:
            raise DatasetError(f"{here}: another image is frame {index} too")
        seen.add(index)
        time = checks.maybe_number(image.get("time"), f"{here}: the time")
        yield image["id"], (index, hints.time_of(index) if time is None else time)


def _rows(
    annotations: list[dict[str, Any]], frames: dict[int, tuple[int, Any]], header: Header, labels: dict[int, int], where: str
) -> Iterator[tuple[int, float | None, ObjectRecord]]:
    for row in annotations:
        here = f"{where}: annotation {row['id']}"
        score = checks.number(row.get("score", UNKNOWN_SCORE), f"{here}: the score")
        track_id = checks.track_id(checks.field(row, "track_id", here), here)
        counts = checks.counts(row.get("segmentation") or None, header.image_hw, here)
        yield (
            *frames[row["image_id"]],
            ObjectRecord(track_id, labels[row["category_id"]], score, checks.box(row["bbox"], here), counts),
        )


FORMAT = spooled_format("coco", "COCO's annotations, every frame an image", EVERYTHING, CocoDocument, read)
