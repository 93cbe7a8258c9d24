"""The simulated detector: its settings mean what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dense_tracks import HEIGHT, WIDTH, annotations, rectangle

from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.simulated import LEVELS, Difficulty, SimulatedDetector, parse_difficulty
from queryinst_vis.masks import BitMasks

PERFECT = Difficulty(miss_rate=0, false_positives=0, box_jitter=0, mask_noise=0, class_flips=0)
LONG = 400


def moving(start: int, length: int, **size: int) -> list[np.ndarray]:
    return [rectangle(start + t % 5, **size) for t in range(length)]


@pytest.fixture(scope="module")
def two_objects() -> dict:
    """A person and an animal in plain view in video 3, a person in video 4."""
    return annotations((3, 1, moving(1, LONG)), (3, 2, moving(18, LONG)), (4, 1, moving(5, 10)))


def test_the_same_seed_finds_the_same_in_any_order(two_objects):
    first, second = (SimulatedDetector(two_objects, LEVELS["hard"], seed=1) for _ in range(2))
    list(second.detect(3))
    for a, b in zip(first.detect(4), second.detect(4), strict=True):
        assert torch.equal(a.embeds, b.embeds)
        assert torch.equal(a.masks.probabilities, b.masks.probabilities)
    other = SimulatedDetector(two_objects, LEVELS["hard"], seed=2)
    assert not torch.equal(next(first.detect(3)).embeds, next(other.detect(3)).embeds)


def test_a_perfect_detector_finds_what_is_annotated(two_objects):
    detector = SimulatedDetector(two_objects, PERFECT)
    assert detector.classes == ("person", "animal")
    for index, found in enumerate(detector.detect(3)):
        order = found.labels.argsort()
        truth = BitMasks(torch.from_numpy(np.stack([rectangle(1 + index % 5), rectangle(18 + index % 5)])))
        assert found.labels[order].tolist() == [0, 1]
        assert found.boxes[order].tolist() == truth.boxes().tolist()
        assert found.masks[order].iou(truth).diagonal().min() > 0.99
        assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


def test_rates(two_objects):
    difficulty = replace(PERFECT, miss_rate=0.2, class_flips=0.3, false_positives=0.7, persistence=0.3)
    detector = SimulatedDetector(two_objects, difficulty)
    frames = [found[found.masks.areas() == 64] for found in detector.detect(3)]  # no ellipse is a rectangle of 8 x 8
    assert sum(map(len, frames)) / (2 * LONG) == pytest.approx(0.8, abs=0.06)
    flips = [label == (box[0] < 12) for found in frames for label, box in zip(found.labels, found.boxes, strict=True)]
    assert np.mean(flips) == pytest.approx(0.3, abs=0.08)
    all_found = list(detector.detect(3))
    false = sum(map(len, all_found)) - sum(map(len, frames))
    assert false / LONG == pytest.approx(0.7, abs=0.15)


def test_luck_lasts(two_objects):
    def changes(persistence: float) -> int:
        difficulty = replace(PERFECT, miss_rate=0.5, persistence=persistence)
        counts = [len(found) for found in SimulatedDetector(two_objects, difficulty).detect(3)]
        return int((np.diff(counts) != 0).sum())

    assert changes(0.9) < changes(0) / 2


def test_small_and_hidden_objects_are_missed_more_and_scored_lower():
    plain, small = moving(1, LONG), moving(18, LONG, width=1, height=1)
    hidden = [rectangle(10, 14, 8, 8 if t % 10 < 5 else 2) for t in range(LONG)]
    truth = annotations((1, 1, plain), (1, 1, small), (1, 1, hidden))
    frames = list(SimulatedDetector(truth, replace(PERFECT, miss_rate=0.1)).detect(1))
    scores: dict[str, list[float]] = {"plain": [], "small": [], "whole": [], "hidden": []}
    for index, found in enumerate(frames):
        for box, score in zip(found.boxes.tolist(), found.scores.tolist(), strict=True):
            third = "hidden" if index % 10 >= 5 else "whole"
            scores["plain" if box[0] < 8 else "small" if box[0] > 16 else third].append(score)
    assert len(scores["plain"]) > 1.2 * len(scores["small"])
    assert len(scores["whole"]) > 1.2 * len(scores["hidden"])
    assert np.mean(scores["plain"]) > np.mean(scores["small"]) + 0.1
    assert np.mean(scores["whole"]) > np.mean(scores["hidden"]) + 0.1


def products(similarity: str) -> tuple[float, float]:
    """Average product of embeddings of one object, and of two objects of a category; three objects in 60 frames."""
    truth = annotations(*[(1, 1, moving(x, 60)) for x in (0, 9, 18)])
    difficulty = replace(PERFECT, embed_dim=256, same_cosine=0.8, other_cosine=0.3, similarity=similarity)
    frames = [found[found.boxes[:, 0].argsort()].embeds for found in SimulatedDetector(truth, difficulty).detect(1)]
    gram = torch.einsum("tid,sjd->ijts", torch.stack(frames), torch.stack(frames)).double()
    apart = ~torch.eye(60, dtype=torch.bool)
    means = gram[:, :, apart].mean(2)
    return means.diagonal().mean().item(), means[~torch.eye(3, dtype=torch.bool)].mean().item()


def test_cosines_are_as_set():
    same, other = products("cosine")
    assert same == pytest.approx(0.8, abs=0.05)
    assert other == pytest.approx(0.3, abs=0.05)
    truth = annotations((1, 1, moving(0, 5)))
    (found, *_) = SimulatedDetector(truth, replace(PERFECT, embed_dim=512)).detect(1)
    assert F.cosine_similarity(found.embeds, found.embeds).item() == pytest.approx(1)
    assert found.embeds.norm().item() == pytest.approx(1, abs=0.1)


def test_products_are_logits_beside_zero():
    same, other = products("dot")
    assert same > 8
    assert other < -2


@pytest.mark.parametrize("level", LEVELS)
def test_scores_are_probabilities_and_weak_ones_can_be_left_out(level, two_objects):
    detector = SimulatedDetector(two_objects, LEVELS[level])
    for found, strong in zip(detector.detect(3), detector.detect(3, min_score=0.5), strict=True):
        assert ((found.scores > 0) & (found.scores < 1)).all()
        assert (found.class_scores.max(1).values == found.scores).all()
        assert (found.class_scores.argmax(1) == found.labels).all()
        assert len(found) == len(found.masks.rles()) == len(found.query_ids)
        assert torch.equal(strong.embeds, found.embeds[found.scores >= 0.5])


def test_nothing_to_find():
    crowd = (1, 1, moving(0, 3), 1)
    for truth in (annotations(crowd), annotations((1, 1, [None] * 3)), annotations(lengths={1: 3})):
        frames = list(SimulatedDetector(truth, PERFECT).detect(1))
        assert [len(found) for found in frames] == [0, 0, 0]
        assert frames[0].embeds.shape == (0, 64)
        assert frames[0].masks.bitmaps().shape == (0, HEIGHT, WIDTH)


def test_one_class_is_never_flipped():
    truth = annotations((1, 1, moving(0, 20)))
    truth["categories"] = truth["categories"][:1]
    for found in SimulatedDetector(truth, replace(LEVELS["hard"], class_flips=1.0)).detect(1):
        assert found.labels.tolist() == [0] * len(found)
        assert torch.equal(found.class_scores[:, 0], found.scores)


def test_objects_of_one_pixel_at_the_border():
    truth = annotations((1, 1, [rectangle(WIDTH - 1, HEIGHT - 1, 1, 1)] * 50), (1, 2, [rectangle(0, 0, WIDTH, HEIGHT)] * 50))
    for found in SimulatedDetector(truth, replace(LEVELS["hard"], box_jitter=3.0)).detect(1):
        assert torch.isfinite(found.boxes).all()
        assert len(found.masks.rles()) == len(found)


def test_difficulties_are_parsed():
    assert parse_difficulty([]) == LEVELS["medium"]
    assert parse_difficulty(["hard"]) == LEVELS["hard"]
    words = ["easy", "miss_rate=0.5", "embed_dim=8", "similarity=dot"]
    assert parse_difficulty(words) == replace(LEVELS["easy"], miss_rate=0.5, embed_dim=8, similarity="dot")
    assert parse_difficulty(["miss_rate=0.5"]) == replace(LEVELS["medium"], miss_rate=0.5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["worst"], "no difficulty is called 'worst'; there are: easy, medium, hard"),
        (["mis_rate=1"], "no setting 'mis_rate'; there are: miss_rate, "),
        (["miss_rate=2"], r"miss_rate must lie in \[0, 1\], got 2"),
        (["miss_rate=much"], "miss_rate must be a number, got 'much'"),
        (["embed_dim=1.5"], "embed_dim must be a whole number"),
        (["false_positives=nan"], "false_positives must lie in"),
        (["same_cosine=0.1"], r"other_cosine must not exceed same_cosine \(0.1\), got 0.3"),
        (["similarity=l2"], "similarity must be cosine or dot, got 'l2'"),
        (["hard", "easy"], "no setting 'easy'"),
    ],
)
def test_bad_difficulties_are_one_line(words, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_difficulty(words)
    assert "\n" not in str(caught.value)
