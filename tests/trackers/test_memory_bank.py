"""What is special about memory_bank: choice in both directions, several looks of an object, births."""

import pytest
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Instances
from queryinst_vis.trackers import MemoryBankTracker
from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.memory_bank import both_ways
from queryinst_vis.trackers.memory_table import INTERVAL, NUM_LOOKS, MemoryTable
from queryinst_vis.trackers.table import Sightings

NOTHING = Instances.empty((360, 640))


def surely(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities where every track and every detection has a score of 1."""
    return both_ways(logits, torch.ones(logits.shape[0]), torch.ones(logits.shape[1]))


def probability_of(logits: list[list[float]], *, scores: list[float] | None = None) -> torch.Tensor:
    """Of equally strong tracks and detections, or detections of these scores."""
    matrix = torch.tensor(logits)
    detections = torch.ones(matrix.shape[1]) if scores is None else torch.tensor(scores)
    return both_ways(matrix, torch.ones(len(matrix)), detections)


def test_one_track_and_one_detection_are_compared_with_nothing():
    assert probability_of([[0.0]]).item() == pytest.approx(0.5)
    assert probability_of([[3.0]]).item() == pytest.approx(0.9526, abs=1e-4)


def test_both_must_choose_each_other():
    """A new object that looks like a track which another detection fits far better."""
    probability = probability_of([[9.0, 3.0]])
    assert probability[0, 0] > 0.99
    assert probability[0, 1] < 0.5


def test_weak_rivals_take_little():
    strong, weak = (probability_of([[5.0] * 6], scores=[0.9] + [rival] * 5)[0, 0] for rival in (0.9, 0.05))
    assert strong < 0.6
    assert weak > 0.85


def test_out_of_reach_is_no_choice():
    assert probability_of([[-torch.inf, 2.0], [-torch.inf, -torch.inf]])[:, 0].tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_no_pairs(shape):
    assert both_ways(torch.zeros(shape), torch.ones(shape[0]), torch.ones(shape[1])).shape == shape


def test_a_new_object_needs_the_threshold_and_a_track_half_of_it(detections, follow):
    tracker = MemoryBankTracker(score_threshold=0.4)
    assert tracker.min_score == pytest.approx(0.2)
    frames = [detections([(100, 100)])] * 3 + [detections([(100, 100), (300, 100)], scores=[0.25, 0.35])] * 3
    assert follow(tracker, frames) == [[1]] * 6


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_the_look_of_an_object_tells_who_is_back(detections, follow, similarity):
    """Two leave and come back with their places swapped."""
    tracker = MemoryBankTracker(similarity=similarity)
    before, after = detections([(280, 100), (340, 100)], looks=[1, 2]), detections([(280, 100), (340, 100)], looks=[2, 1])
    per_frame = follow(tracker, [before] * 10 + [NOTHING] * 20 + [after] * 2)
    assert per_frame[9] == [1, 2]
    assert per_frame[-1] == [2, 1]


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_an_object_is_known_by_each_of_its_looks(detections, follow, similarity):
    """It turned round before it was lost beside another one, and comes back showing the side it showed first."""
    tracker = MemoryBankTracker(similarity=similarity)
    front, back = (detections([(280, 100), (340, 100)], looks=[look, 5]) for look in (1, 2))
    returned = detections([(340, 100), (280, 100)], looks=[1, 5])
    per_frame = follow(tracker, [front] * 10 + [back] * 5 + [NOTHING] * 10 + [returned])
    assert per_frame[-1] == per_frame[0]


def test_a_lost_track_is_forgotten_after_its_patience(detections, follow):
    tracker, frame = MemoryBankTracker(patience=2.0), detections([(100, 100)])
    assert follow(tracker, [frame] * 2 + [NOTHING] * 15 + [frame])[-1] == [1]
    assert follow(tracker, [NOTHING] * 25 + [frame], start=20)[-1] == [2]


def test_masks_are_suppressed_across_classes(detections):
    found = detections([(100, 100), (130, 100)], scores=[0.9, 0.6], labels=[1, 2])
    found.masks = BitMasks(torch.zeros(2, 360, 640, dtype=torch.bool))
    found.masks.tensor[:, 60:140, 105:120] = True  # one mask, although the boxes overlap little
    found.masks.tensor[1, 60:140, 105:122] = True
    found.boxes[1] = torch.tensor([95.0, 60, 135, 140])
    assert MemoryBankTracker().update(found, time=0.0).labels.tolist() == [1]


def make_table(detections, times: list[float]) -> MemoryTable:
    """One track seen at these times, each time with another look: number i at the i-th time."""
    table = MemoryTable.empty()
    for number, time in enumerate(times):
        sightings = Sightings.of(detections([(100, 100)], looks=[number]))
        table.fit_widths(sightings)
        if number:
            table.see(torch.tensor([0]), sightings, torch.tensor([0]), time)
        else:
            table.add(torch.tensor([1]), sightings, torch.tensor([0]), time)
    return table


def test_looks_are_kept_at_intervals_and_the_oldest_goes(detections):
    assert make_table(detections, [0.0, INTERVAL / 2]).look_times.isfinite().sum() == 1
    assert make_table(detections, [0.0, INTERVAL]).look_times.isfinite().sum() == 2
    times = [i * INTERVAL for i in range(NUM_LOOKS + 2)]
    assert sorted(make_table(detections, times).look_times[0].tolist()) == times[2:]


def test_looks_are_kept_when_time_stands_still_or_jumps_back(detections):
    assert make_table(detections, [5.0, 5.0, 1.0, 1.1]).look_times.isfinite().sum() == 1


def test_newer_looks_count_more(detections):
    table, appearance = make_table(detections, [0.0, 3.0]), Appearance("cosine")
    logits = [
        table.appearance_logits(Sightings.of(detections([(100, 100)], looks=[look])), appearance, time=3.1).item()
        for look in (0, 1, 2)
    ]
    assert logits[1] > logits[0] > logits[2]
