"""Made-up detections: a few objects on known paths, with everything a tracker may get, or the least of it."""

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F

from queryinst_vis.structures import Instances

IMAGE_HW = (360, 640)
FPS = 10
Detections = Callable[..., Instances]


def make_detections(
    centres: Sequence[tuple[float, float]],
    *,
    scores: float | Sequence[float] = 0.9,
    labels: Sequence[int] | None = None,
    looks: Sequence[int] | None = None,
    size: tuple[float, float] = (40, 80),
    bare: bool = False,
) -> Instances:
    """Objects at `centres` (x, y), each a box of `size` (width, height). looks: number of each object's embedding, equal numbers
    look alike, by default all different; bare: boxes, scores and labels only."""
    count = len(centres)
    middle = torch.tensor(centres, dtype=torch.float32).reshape(-1, 2)
    half = torch.tensor(size) / 2
    labels = torch.tensor([0] * count if labels is None else list(labels), dtype=torch.int64)
    scores = torch.as_tensor(scores, dtype=torch.float32).expand(count).clone()
    found = Instances(IMAGE_HW, torch.cat([middle - half, middle + half], dim=1), scores, labels)
    if not bare:
        found.class_scores = F.one_hot(labels, 5).float() * scores[:, None]
        found.query_ids = torch.arange(count)
        found.embeds = torch.stack([_embedding(look) for look in looks or range(count)]) if count else torch.zeros(0, 16)
    return found


def _embedding(look: int) -> torch.Tensor:
    return torch.randn(16, generator=torch.Generator().manual_seed(look))


@pytest.fixture
def detections() -> Detections:
    return make_detections


@pytest.fixture
def follow() -> Callable[..., list[list[int]]]:
    """Ids of each frame when a tracker sees these frames at 10 frames a second from frame `start` on."""

    def run(tracker, frames: Sequence[Instances], *, start: int = 0) -> list[list[int]]:
        return [tracker.update(f, time=(start + i) / FPS).track_ids.tolist() for i, f in enumerate(frames)]

    return run
