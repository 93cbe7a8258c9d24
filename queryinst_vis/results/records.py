"""A result as plain values: what writers take in, readers give back and converters hand on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import numpy as np

from queryinst_vis.detections import categories
from queryinst_vis.errors import UserError
from queryinst_vis.ops.boxes import xyxy_to_xywh
from queryinst_vis.ops.rle import RLE
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.tracks import class_scores

Box = tuple[float, float, float, float]  # left, top, width, height in pixels


@dataclass(frozen=True, slots=True)
class Header:
    """What holds for a whole video. video_name: without folder; fps, duration (seconds): None if unknown; classes: by label."""

    video_name: str
    width: int
    height: int
    fps: float | None
    duration: float | None
    classes: tuple[str, ...]

    @classmethod
    def of(cls, video_name: str, info: VideoInfo, classes: Sequence[str]) -> "Header":
        """From what a video source says."""
        fps = None if info.fps is None else round(float(info.fps), 6)
        return cls(video_name, info.width, info.height, fps, info.duration, tuple(classes))

    @property
    def image_hw(self) -> tuple[int, int]:
        return self.height, self.width

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file_name": self.video_name,
            "width": self.width,
            "height": self.height,
            "fps": self.fps,
            "duration": self.duration,
        }

    def categories(self) -> list[dict[str, Any]]:
        """COCO's list of classes: the id is the label + 1."""
        return categories(self.classes)


class ObjectRecord(NamedTuple):
    """One object in one frame. counts: the text of its mask's run-length code in the video's size, None without a mask."""

    track_id: int
    label: int
    score: float
    box: Box
    counts: str | None

    def rle(self, image_hw: tuple[int, int]) -> dict[str, Any] | None:
        """The code as JSON has it."""
        return None if self.counts is None else {"size": list(image_hw), "counts": self.counts}

    def code(self, image_hw: tuple[int, int]) -> RLE | None:
        """The code as pycocotools wants it."""
        return None if self.counts is None else RLE(size=list(image_hw), counts=self.counts.encode("ascii"))


@dataclass(slots=True)
class FrameRecord:
    """One frame and its objects. time: seconds, None if unknown; class_scores: float64 [N, C], where a model gives them."""

    index: int
    time: float | None
    objects: list[ObjectRecord] = field(default_factory=list)
    class_scores: np.ndarray | None = None


class EventLike(Protocol):
    """What happened to a track. kind: born, lost, returned or ended; label: its class; time in seconds."""

    kind: str
    track_id: int
    label: int
    frame_index: int
    time: float


def record_of(frame: Frame, instances: Instances, num_classes: int) -> FrameRecord:
    """The tracked objects of a frame, by id, rounded as all formats have them. ValueError: they have no ids."""
    if instances.track_ids is None:
        raise ValueError("results need instances with track_ids")
    instances = instances[instances.track_ids.argsort()]
    assert instances.track_ids is not None
    codes = [None] * len(instances) if instances.masks is None else [_text(code) for code in instances.masks.rles()]
    boxes = xyxy_to_xywh(instances.boxes).double().numpy().round(2).tolist()
    scores = [round(score, 4) for score in instances.scores.tolist()]
    columns = (instances.track_ids.tolist(), instances.labels.tolist(), scores, map(tuple, boxes), codes)
    objects = [ObjectRecord(*values) for values in zip(*columns, strict=True)]
    return FrameRecord(frame.index, round(frame.time, 6), objects, class_scores(instances, num_classes))


def scores_by_class(record: FrameRecord, num_classes: int) -> np.ndarray:
    """The same of a record."""
    if record.class_scores is not None:
        return record.class_scores
    found = np.zeros((len(record.objects), num_classes))
    for row, item in zip(found, record.objects, strict=True):
        row[item.label] = item.score
    return found


def check_unique(record: FrameRecord, where: str) -> FrameRecord:
    """The record. UserError: an object is in it twice."""
    ids = [item.track_id for item in record.objects]
    if len(set(ids)) < len(ids):
        twice = next(number for number in ids if ids.count(number) > 1)
        raise UserError(f"{where}: frame {record.index} has object {twice} twice")
    return record


def in_frames(
    rows: Iterable[tuple[int, float | None, ObjectRecord]], where: str, *, num_frames: int = 0
) -> Iterator[FrameRecord]:
    """Rows of (frame index, time, object) in any order as frames in order; those below `num_frames` without rows come too."""
    following = 0
    for index, group in groupby(sorted(rows, key=lambda row: (row[0], row[2].track_id)), key=lambda row: row[0]):
        yield from (FrameRecord(missing, None) for missing in range(following, min(index, num_frames)))
        members = list(group)
        yield check_unique(FrameRecord(index, members[0][1], [item for _, _, item in members]), where)
        following = index + 1
    yield from (FrameRecord(missing, None) for missing in range(following, num_frames))


def _text(code: RLE) -> str:
    return code["counts"].decode("ascii")
