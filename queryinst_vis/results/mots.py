"""mots: the text of MOTS (data/mots_text.py), frames from 0, written from a spool, as a line needs its track's class.

Classes have their label + 1 as id, where 10, which MOTS ignores, is left out. MOTS refuses masks that overlap, so they
are made not to.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.mots import MOTS_CLASSES
from queryinst_vis.data.mots_text import IGNORE_CLASS, PER_CLASS, MotsLine, parse_mots
from queryinst_vis.results import checks
from queryinst_vis.results.base import Hints, Part, ReadResult
from queryinst_vis.results.flat import flat_objects
from queryinst_vis.results.masks_only import UNKNOWN_SCORE, names_of_ids, object_of_mask
from queryinst_vis.results.records import Header, ObjectRecord, in_frames
from queryinst_vis.results.spool import Document, SpooledTrack
from queryinst_vis.results.spooled import spooled_format

HOLDS = frozenset({Part.MASKS, Part.IDS, Part.CATEGORIES})


def class_id(label: int) -> int:
    """MOTS's class of a label."""
    return label + 1 if label + 1 < IGNORE_CLASS else label + 2


class MotsDocument(Document):
    """Lines by frame and object.

    An object's id is its class and the track's id where that is below 1000; the track's id where MOTS has made that; else the
    first that is free.
    """

    def __iter__(self) -> Iterator[str]:
        object_ids = self._object_ids(list(self.spool.tracks()))
        for record in self.spool.frames():
            known = [item for item in record.objects if item.track_id in object_ids]
            flat = flat_objects(known, self.header.image_hw)
            for object_id, item in sorted((object_ids[item.track_id], item) for item in flat):
                assert item.counts is not None
                yield f"{MotsLine(record.index, object_id, object_id // PER_CLASS, self.header.image_hw, item.counts)}\n"

    def _object_ids(self, tracks: Sequence[SpooledTrack]) -> dict[int, int]:
        """By track id."""
        object_ids = {t.id: class_id(t.label) * PER_CLASS + t.id for t in tracks if t.id < PER_CLASS}
        taken = set(object_ids.values())
        free = {label: count_free(class_id(label), taken) for label in {track.label for track in tracks}}
        for track in tracks[len(object_ids) :]:  # by id: those with larger ones
            is_object_id = track.id // PER_CLASS == class_id(track.label) and track.id % PER_CLASS and track.id not in taken
            if object_id := track.id if is_object_id else next(free[track.label], None):
                object_ids[track.id] = object_id
                taken.add(object_id)
        if left_out := len(tracks) - len(object_ids):
            self.problems.append(f"MOTS holds {PER_CLASS - 1} objects of a class: {left_out} tracks more were left out")
        return object_ids


def count_free(class_number: int, taken: set[int]) -> Iterator[int]:
    """Object ids of a class that are not taken when they come."""
    return (number for number in range(class_number * PER_CLASS + 1, (class_number + 1) * PER_CLASS) if number not in taken)


def read(path: Path, hints: Hints) -> ReadResult:
    """Regions to be ignored are left out. Without names for classes, 1 and 2 are MOTS's own. DatasetError: it is none."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: is no text file of MOTS: {getattr(error, 'strerror', None) or error}") from None
    lines = [line for line in parse_mots(text, name=str(path)) if line.class_id != IGNORE_CLASS]
    labels = {number: number - 1 - (number > IGNORE_CLASS) for number in {line.class_id for line in lines}}
    if 0 in labels:
        raise DatasetError(f"{path}: has an object of class 0; classes count from 1")
    names = list(names_of_ids({label + 1 for label in labels.values()}, hints.classes, str(path)).values())
    if hints.classes is None:
        names = [MOTS_CLASSES.get(class_id(label), name) for label, name in enumerate(names)]
    height, width = lines[0].image_hw if lines else hints.size_or_error(path, "an empty file of MOTS")[::-1]
    checks.size(width, height, str(path))
    header = hints.header(path.stem, (width, height), names)
    rows = _rows(lines, labels, _track_ids(lines), header, hints)
    return ReadResult(FORMAT.kind, header, HOLDS, in_frames(rows, str(path)))


def _track_ids(lines: Sequence[MotsLine]) -> dict[int, int]:
    """Track id by object id: the number in the class, unless it is 0 or two classes share one."""
    object_ids = sorted({line.object_id for line in lines})
    short = [number % PER_CLASS for number in object_ids]
    is_clear = 0 not in short and len(set(short)) == len(short)
    return dict(zip(object_ids, short if is_clear else object_ids, strict=True))


def _rows(
    lines: Sequence[MotsLine], labels: dict[int, int], track_ids: dict[int, int], header: Header, hints: Hints
) -> Iterator[tuple[int, float | None, ObjectRecord]]:
    for line in lines:
        label = labels[line.class_id]
        item = object_of_mask(track_ids[line.object_id], label, line.code, header.image_hw, score=UNKNOWN_SCORE)
        if item is not None:
            yield checks.frame_index(line.frame, header.video_name), hints.time_of(line.frame), item


FORMAT = spooled_format("mots", "MOTS's text: masks that do not overlap", HOLDS, MotsDocument, read, needs_masks=True)
