"""How well identities hold: HOTA, IDF1, MOTSA, identity switches and fragmentation of masks through videos.

HOTA: arXiv 2009.07736. IDF1: arXiv 1609.01775. MOTSA, sMOTSA: arXiv 1902.03604. Each category of each video is measured by itself
and the counts are added up, so a category weighs as much as it has masks (TrackEval's `cls_comb_det_av`).

Own code; TrackEval (PyPI `trackeval` 1.3.0) is the oracle of the tests, which agree to 1e-9. As a library it would work with
numpy 2.4 and bring only `tabulate`, but it asks for later versions of numpy, scipy, OpenCV and pillow than anything else here, it
does not tell its matches, which ids per object need, and its `Frag` is of no use here: frames for which a tracker reports nothing
of a category are skipped, so the gaps of a video's only object are never counted. Our Frag counts the gaps in the sightings of
an object, over the frames in which it is annotated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from queryinst_vis.data.ytvis_json import check_ytvis, read_ytvis
from queryinst_vis.evaluation.mask_tracks import annotated_tracks, drop_unannotated, reported_tracks
from queryinst_vis.evaluation.overlaps import EPS, MIN_IOU, SequenceOverlaps, overlaps

ALPHAS = np.arange(0.05, 0.99, 0.05)  # IoU thresholds that HOTA averages over
_CONTINUED = 1000.0  # weighs more than any IoU: a track that held an object in the last frame keeps it


class IdentityMetrics:
    """Measures results against one set of annotations, as often as wanted.

    annotations: a YouTube-VIS JSON file or its content. Raises DatasetError for unusable ones.
    """

    def __init__(self, annotations: str | Path | dict[str, Any]) -> None:
        if isinstance(annotations, dict):
            self._content = check_ytvis(annotations, name="annotations")
        else:
            self._content = read_ytvis(annotations)
        self._annotated = annotated_tracks(self._content)
        self._num_frames = {video["id"]: len(video["file_names"]) for video in self._content["videos"]}

    def __call__(
        self, results: Sequence[Mapping[str, Any]], *, min_score: float = 0.3, ignore_unmatched: bool = False
    ) -> dict[str, float]:
        """Numbers by name; see identity_metrics."""
        if ignore_unmatched:
            results = drop_unannotated(self._content, results)
        reported = reported_tracks(self._content, results, min_score=min_score)
        sequences = overlaps(self._annotated, reported, self._num_frames)
        return _numbers(sum((_count(sequence) for sequence in sequences), _Counts()))


def identity_metrics(
    annotations: str | Path | dict[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    min_score: float = 0.3,
    ignore_unmatched: bool = False,
) -> dict[str, float]:
    """Identity measures of result entries (YouTube-VIS's: video_id, category_id, score, segmentations) on annotations.

    min_score: tracks scored below are left out, for unlike AP these measures judge what would be shown. ignore_unmatched: leave
    out masks that lie mostly on nothing annotated (see drop_unannotated), for data sets that do not annotate everything.
    An object reported under several categories counts in each of them.
    Returns in [0, 1]: HOTA, DetA, AssA, LocA (means over IoU thresholds of .05 to .95), IDF1; at most 1: MOTSA, sMOTSA; counts:
    IDSW, Frag; and ids_per_object, over objects found at all (-1: none was). The last six at an IoU of 0.5.
    Raises DatasetError for unusable annotations and for results that do not fit them.
    """
    return IdentityMetrics(annotations)(results, min_score=min_score, ignore_unmatched=ignore_unmatched)


def _per_alpha() -> np.ndarray:
    return np.zeros(len(ALPHAS))


@dataclass(slots=True)
class _Counts:
    """What adds up over sequences."""

    true_masks: int = 0
    reported_masks: int = 0
    hota_matches: np.ndarray = field(default_factory=_per_alpha)
    hota_iou: np.ndarray = field(default_factory=_per_alpha)  # sum over matches
    association: np.ndarray = field(default_factory=_per_alpha)  # sum over matches of how well their track fits their object
    identity_matches: int = 0  # under the best assignment of whole tracks to whole objects
    matches: int = 0  # frame by frame, at MIN_IOU
    iou: float = 0.0
    switches: int = 0
    gaps: int = 0
    found_objects: int = 0
    ids: int = 0  # that found objects were given, together

    def __add__(self, other: "_Counts") -> "_Counts":
        return _Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def _count(sequence: SequenceOverlaps) -> _Counts:
    objects = np.concatenate([frame.objects for frame in sequence.frames])
    tracks = np.concatenate([frame.tracks for frame in sequence.frames])
    sightings = np.bincount(objects, minlength=sequence.num_objects)  # [G] frames with each object
    reports = np.bincount(tracks, minlength=sequence.num_tracks)  # [K] frames with each track
    counts = _Counts(true_masks=len(objects), reported_masks=len(tracks))
    if counts.true_masks and counts.reported_masks:
        _count_hota(counts, sequence, sightings, reports)
        counts.identity_matches = _identity_matches(sequence, sightings, reports)
        _count_clear(counts, sequence)
    return counts


def _count_hota(counts: _Counts, sequence: SequenceOverlaps, sightings: np.ndarray, reports: np.ndarray) -> None:
    """One assignment per frame, which prefers tracks that fit an object over the whole video, serves all thresholds."""
    both = sightings[:, None] + reports  # [G, K]
    alignment = np.zeros(both.shape)
    for objects, tracks, iou in sequence.frames:
        either = iou.sum(0) + iou.sum(1)[:, None] - iou
        alignment[np.ix_(objects, tracks)] += np.divide(iou, either, out=np.zeros_like(iou), where=either > EPS)
    alignment /= np.maximum(both - alignment, 1)

    matched = []
    for objects, tracks, iou in sequence.frames:
        rows, columns = linear_sum_assignment(alignment[np.ix_(objects, tracks)] * iou, maximize=True)
        matched.append((objects[rows] * sequence.num_tracks + tracks[columns], iou[rows, columns]))
    pairs, ious = (np.concatenate(parts) for parts in zip(*matched, strict=True))
    close = ious >= ALPHAS[:, None] - EPS  # [alphas, matches]
    times = np.stack([np.bincount(pairs[row], minlength=both.size) for row in close]).reshape(-1, *both.shape)
    counts.hota_matches = close.sum(1).astype(float)
    counts.hota_iou = (close * ious).sum(1)
    counts.association = (times * times / np.maximum(both - times, 1)).sum((1, 2))


def _identity_matches(sequence: SequenceOverlaps, sightings: np.ndarray, reports: np.ndarray) -> int:
    """Matching masks when each object may keep one track, and each track one object, of the whole video."""
    close = np.zeros((sequence.num_objects, sequence.num_tracks))
    for objects, tracks, iou in sequence.frames:
        close[np.ix_(objects, tracks)] += iou >= MIN_IOU
    # To leave an object without a track costs as much as to give it one that never matches: no pair is worse than none.
    rows, columns = linear_sum_assignment(close, maximize=True)
    return int(close[rows, columns].sum())


def _count_clear(counts: _Counts, sequence: SequenceOverlaps) -> None:
    """Matches frame by frame, in which a track keeps its object while they overlap enough."""
    last = np.full(sequence.num_objects, -1)  # track that last held each object
    holding = np.full(sequence.num_objects, -1)  # track that held it in the last frame with objects and tracks
    missed = np.zeros(sequence.num_objects, dtype=bool)  # whether the object was seen unheld since
    held = np.zeros((sequence.num_objects, sequence.num_tracks), dtype=bool)
    for objects, tracks, iou in sequence.frames:
        rows, columns = _continue_tracks(iou, tracks == holding[objects, None])
        mine, its = objects[rows], tracks[columns]
        counts.matches += len(rows)
        counts.iou += float(iou[rows, columns].sum())
        counts.switches += int(((last[mine] >= 0) & (last[mine] != its)).sum())
        counts.gaps += int(((last[mine] >= 0) & missed[mine]).sum())
        missed[objects], missed[mine] = True, False
        last[mine] = its
        held[mine, its] = True
        if iou.size:
            holding[:] = -1
            holding[mine] = its
    counts.ids = int(held.sum())
    counts.found_objects = int(held.any(1).sum())


def _continue_tracks(iou: np.ndarray, continued: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    worth = np.where(iou < MIN_IOU - EPS, 0, iou + _CONTINUED * continued)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    matches = worth[rows, columns] > 0
    return rows[matches], columns[matches]


def _numbers(counts: _Counts) -> dict[str, float]:
    true, reported = counts.true_masks, counts.reported_masks
    detection = counts.hota_matches / np.maximum(true + reported - counts.hota_matches, 1)
    association = counts.association / np.maximum(counts.hota_matches, 1)
    location = np.where(counts.hota_matches > 0, counts.hota_iou / np.maximum(counts.hota_matches, 1), 1)
    wrong = reported - counts.matches + counts.switches
    return {
        "HOTA": float(np.sqrt(detection * association).mean()),
        "DetA": float(detection.mean()),
        "AssA": float(association.mean()),
        "LocA": float(location.mean()),
        "IDF1": counts.identity_matches / max((true + reported) / 2, 1),
        "MOTSA": (counts.matches - wrong) / max(true, 1),
        "sMOTSA": (counts.iou - wrong) / max(true, 1),
        "IDSW": float(counts.switches),
        "Frag": float(counts.gaps),
        "ids_per_object": counts.ids / counts.found_objects if counts.found_objects else -1.0,
    }


NAMES = tuple(_numbers(_Counts()))  # of the measures
