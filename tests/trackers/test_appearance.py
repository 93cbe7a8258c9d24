"""How embeddings are compared, and how a tracker learns what their distances mean."""

import pytest
import torch
import torch.nn.functional as F

from queryinst_vis.structures import Instances
from queryinst_vis.trackers.appearance import FULL_SPREAD, LEAST_SPREAD, Appearance


def make_found(embeds: torch.Tensor, *, labels: list[int] | None = None, distance: float = 100.0) -> Instances:
    """Objects in a row, `distance` pixels apart."""
    count = len(embeds)
    left = torch.arange(count) * distance
    boxes = torch.stack([left, torch.zeros(count), left + 50, torch.full((count,), 80.0)], dim=1)
    labels = torch.tensor(labels or [0] * count)
    return Instances((100, 1000), boxes, torch.full((count,), 0.9), labels, embeds=embeds)


def spread_vectors(cosine: float, count: int = 6, size: int = 64) -> torch.Tensor:
    """Unit vectors with this cosine between any two."""
    own = torch.linalg.qr(torch.randn(size, count + 1, generator=torch.Generator().manual_seed(0))).Q.T
    return cosine**0.5 * own[-1] + (1 - cosine) ** 0.5 * own[:-1]


def learned(cosine: float, *, num_frames: int = 20, **layout) -> Appearance:
    appearance = Appearance("cosine")
    for _ in range(num_frames):
        appearance.learn(appearance.sightings(make_found(spread_vectors(cosine), **layout)))
    return appearance


def test_products_of_dot_embeddings_are_the_logits():
    embeds = torch.tensor([[3.0, 4.0], [-1.0, 0.0]])
    appearance = Appearance("dot")
    sightings = appearance.sightings(make_found(embeds))
    assert appearance.logits(sightings.embeds, sightings.embeds).tolist() == (embeds @ embeds.T).tolist()
    assert appearance.trust == 1


def test_cosine_embeddings_are_compared_whatever_their_length():
    appearance = Appearance("cosine")
    first, second = (appearance.sightings(make_found(embeds)).embeds for embeds in (torch.eye(3), 7 * torch.eye(3)))
    logits = appearance.logits(first, second)
    assert (logits.diagonal() > 0).all()
    assert (logits[~torch.eye(3, dtype=torch.bool)] < 0).all()


@pytest.mark.parametrize("cosine", [0.0, 0.1, 0.3])
def test_the_spread_is_learned_from_objects_of_one_frame(cosine):
    assert learned(cosine, num_frames=200).spread == pytest.approx(1 - cosine, abs=0.02)


@pytest.mark.parametrize(("cosine", "trust"), [(0.97, 0), (1 - LEAST_SPREAD, 0), (1 - FULL_SPREAD, 0.95), (0.0, 1)])
def test_embeddings_are_trusted_as_far_as_they_are_spread_out(cosine, trust):
    assert learned(cosine, num_frames=200).trust == pytest.approx(trust, abs=0.06)


@pytest.mark.parametrize("layout", [{"labels": list(range(6))}, {"distance": 1.0}], ids=["other classes", "one place"])
def test_only_objects_of_one_class_at_different_places_teach(layout):
    assert learned(0.0, **layout).trust == 0


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_learn_from(count):
    appearance = Appearance("cosine")
    appearance.learn(appearance.sightings(make_found(spread_vectors(0.0)[:count])))
    assert appearance.spread == LEAST_SPREAD


def test_no_embeddings_say_nothing():
    appearance, found = Appearance("cosine"), make_found(torch.zeros(2, 0))
    found.embeds = None
    sightings = appearance.sightings(found)
    appearance.learn(sightings)
    assert appearance.logits(sightings.embeds, sightings.embeds).tolist() == [[0, 0], [0, 0]]


def test_saved_restored_and_reset():
    first, second = learned(0.0), Appearance("cosine")
    second.load_state_dict(first.state_dict())
    assert second.spread == first.spread > LEAST_SPREAD
    second.reset()
    assert second.spread == LEAST_SPREAD


def test_embeddings_that_are_not_finite_count_as_zero():
    embeds = torch.eye(3)
    embeds[0, 0] = float("nan")
    assert F.normalize(Appearance("cosine").sightings(make_found(embeds)).embeds, dim=1).isfinite().all()


def test_unknown_similarity_is_refused():
    with pytest.raises(ValueError, match="similarity is one of cosine, dot, got 'euclid'"):
        Appearance("euclid")
