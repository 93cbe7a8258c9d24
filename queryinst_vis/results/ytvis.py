"""ytvis: results in YouTube-VIS's form, one video's (evaluation/ytvis_results.py describes an entry), written from a spool."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.evaluation.ytvis_results import read_results
from queryinst_vis.ops.rle import area
from queryinst_vis.results import checks
from queryinst_vis.results.base import Hints, Part, ReadResult
from queryinst_vis.results.masks_only import names_of_ids, object_of_mask
from queryinst_vis.results.records import Header, ObjectRecord, in_frames
from queryinst_vis.results.spool import Document, SpooledTrack
from queryinst_vis.results.spooled import spooled_format

HOLDS = frozenset({Part.MASKS, Part.OVERLAPS, Part.CATEGORIES, Part.EMPTY_FRAMES})
VIDEO_ID = 1


class ResultsDocument(Document):
    """A list, best first; tracks without a pixel are left out."""

    def __iter__(self) -> Iterator[str]:
        before = "[\n"
        for track in sorted(self.spool.tracks(), key=lambda track: -track.score):
            if any(visible(item, self.header) for _, _, item in self.spool.sightings(track.id)):
                head = {"video_id": VIDEO_ID, "category_id": track.label + 1, "score": round(track.score, 6)}
                yield before + json.dumps(head)[:-1] + ', "segmentations": ['
                yield from self._segmentations(track)
                yield "]}"
                before = ",\n"
        yield "\n]\n" if before != "[\n" else "[]\n"

    def _segmentations(self, track: SpooledTrack) -> Iterator[str]:
        """An item for each frame of the video: "null" where not a pixel is seen."""
        following = 0
        for index, _, item in self.spool.sightings(track.id):
            code = item.rle(self.header.image_hw) if visible(item, self.header) else None
            yield (", " if following else "") + ", ".join(["null"] * (index - following) + [json.dumps(code)])
            following = index + 1
        yield ", null" * (self.spool.length - following)


def visible(item: ObjectRecord, header: Header) -> bool:
    """Whether its mask has a pixel."""
    code = item.code(header.image_hw)
    return code is not None and area(code) > 0


def read(path: Path, hints: Hints) -> ReadResult:
    """Track ids count from 1 in the order of the file. DatasetError: it is none, or is of several videos."""
    where = str(path)
    entries = checks.rows(read_results(path), where)
    video_ids = [checks.whole(checks.field(entry, "video_id", where), f"{where}: video_id") for entry in entries]
    video_id = chosen_video(set(video_ids), hints, where)
    entries = [entry for entry, of in zip(entries, video_ids, strict=True) if of == video_id]
    ids = {checks.whole(checks.field(entry, "category_id", where), f"{where}: category_id", least=1) for entry in entries}
    names = names_of_ids(ids, hints.classes, where)
    width, height = _size(entries, hints, path)
    header = hints.header(path.stem, (width, height), list(names.values()))
    lengths = {len(checks.rows(checks.field(entry, "segmentations", where), where)) for entry in entries}
    if len(lengths) > 1:
        raise DatasetError(f"{where}: has entries of {min(lengths)} and of {max(lengths)} frames for one video")
    rows = _rows(entries, header, checks.labels(names), hints, where)
    return ReadResult(FORMAT.kind, header, HOLDS, in_frames(rows, where, num_frames=max(lengths, default=0)))


def chosen_video(video_ids: set[int], hints: Hints, where: str) -> int | None:
    """The only one, or the one that was asked for."""
    if hints.video_id is not None:
        if hints.video_id not in video_ids:
            raise DatasetError(f"{where}: has no video {hints.video_id}; there are {sorted(video_ids)[:20]}")
        return hints.video_id
    if len(video_ids) > 1:
        raise DatasetError(f"{where}: is of {len(video_ids)} videos; --video-id chooses one of {sorted(video_ids)[:20]}")
    return next(iter(video_ids), None)


def _size(entries: list[Any], hints: Hints, path: Path) -> tuple[int, int]:
    for entry in entries:
        for code in checks.rows(checks.field(entry, "segmentations", str(path)), str(path)):
            if code is not None:
                sides = checks.rows(checks.field(code, "size", str(path)), f"{path}: size")
                if len(sides) == 2:
                    return checks.size(sides[1], sides[0], str(path))
    return hints.size_or_error(path, "a result without masks")


def _rows(
    entries: list[Any], header: Header, labels: dict[int, int], hints: Hints, where: str
) -> Iterator[tuple[int, float | None, ObjectRecord]]:
    for position, entry in enumerate(entries):
        here = f"{where}: entry {position}"
        score = checks.number(checks.field(entry, "score", here), f"{here}: the score")
        for index, code in enumerate(entry["segmentations"]):
            counts = checks.counts(code, header.image_hw, f"{here}, frame {index}")
            if counts is not None:
                label = checks.label(entry["category_id"], labels, here)
                item = object_of_mask(position + 1, label, counts, header.image_hw, score=score)
                if item is not None:
                    yield index, hints.time_of(index), item


FORMAT = spooled_format("ytvis", "YouTube-VIS results, as its server takes them", HOLDS, ResultsDocument, read, needs_masks=True)
