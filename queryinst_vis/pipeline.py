"""The main path: frames in, instances out; with a tracker, instances that keep their identity. Every tool runs these."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence

import torch

from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers.base import Tracker


def segment_frames(
    frames: Iterable[Frame],
    model: ImageModel,
    *,
    min_score: float,
    labels: Collection[int] | None = None,
    batch_size: int = 1,
) -> Iterator[tuple[Frame, Instances]]:
    """Each frame with what the model finds in it, scored at least `min_score`; of the classes `labels` only, if given.

    batch_size: frames that go through the model at once, and come out one by one when it is done with them. Which go together
    depends on their indices alone, so that a video that is taken up later gives the same numbers.
    """
    wanted = None if labels is None else torch.tensor(sorted(labels), dtype=torch.int64)
    for batch in _batches(frames, batch_size):
        with torch.inference_mode():  # not around the loop: the mode would leak into the caller between frames
            found = model.predict([frame.image for frame in batch], min_score=min_score)
            if wanted is not None:
                found = [_only(instances, wanted) for instances in found]
        yield from zip(batch, found, strict=True)


def _batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Frames in order, `size` together, the first one's index a multiple of it; what comes before an error still comes."""
    batch: list[Frame] = []
    try:
        for frame in frames:
            batch.append(frame)
            if len(batch) == size or (frame.index + 1) % size == 0:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _only(instances: Instances, labels: torch.Tensor) -> Instances:
    """Those of some classes, as if there were no others."""
    kept = instances[torch.isin(instances.labels, labels)]
    if kept.class_scores is not None:
        kept.class_scores = kept.class_scores * torch.isin(torch.arange(kept.class_scores.shape[1]), labels)
    return kept


def track_video(
    frames: Iterable[Frame],
    model: ImageModel,
    tracker: Tracker,
    *,
    labels: Collection[int] | None = None,
    batch_size: int = 1,
) -> Iterator[tuple[Frame, Instances]]:
    """Each frame with its objects, `track_ids` set.

    One tracker per video; it is never reset here, so a video may be handed over in parts. Nothing is kept but what the tracker
    keeps. Detections below `tracker.min_score` are not computed, those of classes outside `labels` never reach the tracker.
    batch_size: frames that go through the model at once; the tracker still gets one after the other.
    """
    found = segment_frames(frames, model, min_score=tracker.min_score, labels=labels, batch_size=batch_size)
    for frame, instances in found:
        with torch.inference_mode():
            tracked = tracker.update(instances, time=frame.time)
        yield frame, tracked


def labels_of(names: Sequence[str] | None, classes: Sequence[str]) -> list[int] | None:
    """Labels of class names, None for all. UserError names the nearest class to one that does not exist."""
    if names is None:
        return None
    for name in names:
        if name not in classes:
            nearest = difflib.get_close_matches(name, classes, n=1, cutoff=0.0)
            raise UserError(f"no class is called '{name}'" + (f"; did you mean '{nearest[0]}'?" if nearest else ""))
    return [classes.index(name) for name in names]
