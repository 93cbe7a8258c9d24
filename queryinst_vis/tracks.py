"""The tracks of a short video as `Track`s; long ones are written with results/, in memory that does not grow."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from queryinst_vis.ops.rle import RLE
from queryinst_vis.structures import Frame, Instances, Track


def collect_tracks(frames: Iterable[tuple[Frame, Instances]], *, num_classes: int) -> list[Track]:
    """The tracks of a short video, by id. It keeps every mask as a code; long videos belong in a file (results/)."""
    rows: dict[int, list[_Sighting]] = defaultdict(list)
    for frame, instances in frames:
        if instances.track_ids is None:
            raise ValueError("instances need track_ids to be collected")
        codes = [None] * len(instances) if instances.masks is None else instances.masks.rles()
        fields = (instances.boxes.numpy(), instances.scores.tolist(), class_scores(instances, num_classes), codes)
        for track_id, *values in zip(instances.track_ids.tolist(), *fields, strict=True):
            rows[track_id].append(_Sighting(frame.index, *values))
    return [_track(track_id, rows[track_id]) for track_id in sorted(rows)]


class _Sighting(NamedTuple):
    frame: int
    box: np.ndarray
    score: float
    class_scores: np.ndarray
    rle: RLE | None


def _track(track_id: int, sightings: Sequence[_Sighting]) -> Track:
    mean = np.mean([s.class_scores for s in sightings], axis=0)
    scores = np.array([s.score for s in sightings], dtype=np.float32)
    return Track(
        id=track_id,
        label=int(mean.argmax()),
        score=float(scores.mean()),
        frame_indices=[s.frame for s in sightings],
        boxes=np.stack([s.box for s in sightings]).astype(np.float32),
        scores=scores,
        rles=[s.rle for s in sightings],
        class_scores=mean.astype(np.float32),
    )


def class_scores(instances: Instances, num_classes: int) -> np.ndarray:
    """float64 [N, C]; all on the label where a model gives no distribution."""
    if instances.class_scores is not None:
        return instances.class_scores.double().numpy()
    return np.eye(num_classes)[instances.labels.numpy()] * instances.scores.double().numpy()[:, None]
