"""What measures of identity are made from: which annotated and reported objects overlap how much, frame by frame.

Each video and category is a sequence of its own. Crowd regions are no objects: what is reported in them and matches no object is
left out, by the rule of the MOTS challenge (TrackEval, `mots_challenge.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from queryinst_vis.evaluation.mask_tracks import MIN_SHARE, MaskTrack, share_inside

MIN_IOU = 0.5  # from which two masks may be the same object
EPS = float(np.finfo(float).eps)


class FrameOverlaps(NamedTuple):
    """Objects and tracks to be seen in one frame, by number, and their mask IoU float64 [G, K]."""

    objects: np.ndarray  # int64 [G]
    tracks: np.ndarray  # int64 [K]
    iou: np.ndarray


@dataclass(frozen=True, slots=True)
class SequenceOverlaps:
    """One category in one video; frames in order. Objects and tracks are numbered from 0."""

    num_objects: int
    num_tracks: int
    frames: list[FrameOverlaps]


def overlaps(
    annotated: Mapping[int, Sequence[MaskTrack]], reported: Mapping[int, Sequence[MaskTrack]], num_frames: Mapping[int, int]
) -> Iterator[SequenceOverlaps]:
    """Every category of every video that has an object or a track of it. All three by video id."""
    for video_id, truth in annotated.items():
        found = reported.get(video_id, ())
        for category_id in sorted({track.category_id for track in [*truth, *found]}):
            objects = [track for track in truth if track.category_id == category_id and not track.is_crowd]
            crowds = [track for track in truth if track.category_id == category_id and track.is_crowd]
            tracks = [track for track in found if track.category_id == category_id]
            frames = [_in_frame(objects, tracks, crowds, index) for index in range(num_frames[video_id])]
            yield SequenceOverlaps(len(objects), len(tracks), frames)


def _in_frame(
    objects: Sequence[MaskTrack], tracks: Sequence[MaskTrack], crowds: Sequence[MaskTrack], index: int
) -> FrameOverlaps:
    there, seen = _rows(objects, index), _rows(tracks, index)
    true_codes, codes = [objects[row].masks[index] for row in there], [tracks[row].masks[index] for row in seen]
    iou = np.zeros((len(there), len(seen)))
    if iou.size:
        iou[:] = np.asarray(coco_mask.iou(codes, true_codes, [0] * len(there))).T
    regions = [crowd.masks[index] for crowd in crowds if index in crowd.masks]
    if regions and codes:
        in_crowd = share_inside(codes, coco_mask.merge(regions)) > MIN_SHARE + EPS
        in_crowd[_matched(iou)] = False
        seen, iou = seen[~in_crowd], iou[:, ~in_crowd]
    return FrameOverlaps(there, seen, iou)


def _rows(tracks: Sequence[MaskTrack], index: int) -> np.ndarray:
    return np.array([row for row, track in enumerate(tracks) if index in track.masks], dtype=np.int64)


def _matched(iou: np.ndarray) -> np.ndarray:
    """Columns that match an object in the best assignment."""
    close = np.where(iou < MIN_IOU - EPS, -10000.0, iou)
    rows, columns = linear_sum_assignment(close, maximize=True)
    return columns[close[rows, columns] > 0]
