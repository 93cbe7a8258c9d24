"""Weak detections carry tracks on that are not seen otherwise: ByteTrack's idea (arXiv 2110.06864), with masks."""

import torch
from torch import Tensor

from queryinst_vis.trackers.assignment import assign
from queryinst_vis.trackers.mask_overlap import mask_iou
from queryinst_vis.trackers.table import Sightings, TrackTable


def match_weak(
    rows: Tensor, tracks: TrackTable, sightings: Sightings, time: float, *, possible: Tensor, min_overlap: float
) -> None:
    """Give detections that have no track yet one that was seen in the last frame and lies there; writes its row into `rows`.

    rows: int64 [N], -1 for no track. possible: bool [T, N], pairs that may be. min_overlap: IoU with the mask (without masks: the
    box) where the track is expected.
    """
    idle = (tracks.ids > 0) & (tracks.misses == 0)
    idle[rows[rows >= 0]] = False
    possible = possible & idle[:, None] & (rows < 0)
    if possible.any():
        unlike = 1 - mask_iou(tracks.expected_boxes(time), tracks.grids, sightings.boxes, sightings.grids)
        matched, columns = assign(unlike.masked_fill(~possible, torch.inf), 1 - min_overlap)
        rows[columns] = matched
