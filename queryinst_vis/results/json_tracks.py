"""json: one document of tracks (docs/json_format.md), written at the end from a spool."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from queryinst_vis.data.json_tables import read_json
from queryinst_vis.results import checks
from queryinst_vis.results.base import EVERYTHING, Hints, Part, ReadResult
from queryinst_vis.results.records import Header, ObjectRecord, in_frames
from queryinst_vis.results.spool import Document, SpooledTrack
from queryinst_vis.results.spooled import spooled_format

_encode = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` makes an encoder for each call
HOLDS = EVERYTHING - {Part.FRAME_CATEGORIES, Part.EMPTY_TIMES}


class TracksDocument(Document):
    """One line per frame of a track."""

    def __iter__(self) -> Iterator[str]:
        video = json.dumps(self.header.facts() | {"num_frames": self.spool.num_frames})
        yield f'{{"video": {video},\n"categories": {json.dumps(self.header.categories())},\n"tracks": ['
        before = "\n"
        for track in self.spool.tracks():
            yield before
            yield from self._track(track)
            before = ",\n"
        yield "\n]}\n"

    def _track(self, track: SpooledTrack) -> Iterator[str]:
        head = {"id": track.id, "category_id": track.label + 1, "score": round(track.score, 4)}
        before = json.dumps(head)[:-1] + ', "frames": [\n'
        for index, time, item in self.spool.sightings(track.id):
            row = {"index": index, "time": time, "box": item.box, "score": item.score}
            yield before + _encode(row | {"segmentation": item.rle(self.header.image_hw)})
            before = ",\n "
        yield "]}"


def read(path: Path, hints: Hints) -> ReadResult:
    """DatasetError: it is none."""
    content, where = read_json(path), str(path)
    names = checks.category_names(checks.field(content, "categories", where), where)
    header = checks.header(checks.field(content, "video", where), names, where)
    num_frames = checks.whole(content["video"].get("num_frames", 0), f"{where}: num_frames", most=checks.MAX_FRAMES)
    tracks = checks.rows(checks.field(content, "tracks", where), where)
    found = _rows(tracks, header, checks.labels(names), where)
    return ReadResult(FORMAT.kind, header, HOLDS, in_frames(found, where, num_frames=num_frames))


def _rows(
    tracks: Sequence[Any], header: Header, labels: dict[int, int], where: str
) -> Iterator[tuple[int, float | None, ObjectRecord]]:
    for position, track in enumerate(tracks):
        here = f"{where}: track {position}"
        track_id = checks.track_id(checks.field(track, "id", here), here)
        label = checks.label(checks.field(track, "category_id", here), labels, here)
        for frame in checks.rows(checks.field(track, "frames", here), here):
            index = checks.frame_index(checks.field(frame, "index", here), here)
            there = f"{here}, frame {index}"
            score = checks.number(checks.field(frame, "score", there), f"{there}: the score")
            box = checks.box(checks.field(frame, "box", there), there)
            counts = checks.counts(frame.get("segmentation"), header.image_hw, there)
            time = checks.maybe_number(frame.get("time"), f"{there}: the time")
            yield index, time, ObjectRecord(track_id, label, score, box, counts)


FORMAT = spooled_format("json", "one document of tracks", HOLDS, TracksDocument, read)
