"""The pieces trackers share: assignment, duplicates, motion, affinity."""

from itertools import permutations

import pytest
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.trackers.affinity import Affinity
from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.assignment import assign, assign_or_new
from queryinst_vis.trackers.distances import centre_distance, class_distance
from queryinst_vis.trackers.duplicates import class_evidence, merge_queries, suppress_duplicates
from queryinst_vis.trackers.motion import HORIZON, predict_boxes, update_velocities
from queryinst_vis.trackers.table import Sightings, TrackTable

RAW = Appearance("cosine")  # that has seen nothing yet


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_assign_nothing(shape):
    rows, columns = assign(torch.zeros(shape), 1.0)
    assert rows.tolist() == columns.tolist() == []


def test_assign_leaves_out_pairs_that_are_too_dear():
    rows, columns = assign(torch.tensor([[0.9, 0.2], [torch.inf, 0.5]]), 0.5)
    assert (rows.tolist(), columns.tolist()) == ([0], [1])


@pytest.mark.parametrize("seed", range(5))
def test_assign_is_the_best_of_all_pairings(seed):
    cost = torch.rand(4, 4, generator=torch.Generator().manual_seed(seed))
    rows, columns = assign(cost, 0.6)
    saved = (0.6 - cost).clamp(min=0)
    best = max(sum(saved[i, p[i]].item() for i in range(4)) for p in permutations(range(4)))
    assert saved[rows, columns].sum().item() == pytest.approx(best)


def test_many_weak_detections_do_not_take_a_strong_ones_track():
    """Together they would save more if the strong one went elsewhere."""
    cost = torch.tensor([[0.1, 0.1], [0.5, torch.inf]])
    rows, columns = assign(cost, 0.8)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
    rows, columns = assign(cost, 0.8, weights=torch.tensor([0.9, 0.1]))
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def test_never_is_never():
    rows, _ = assign(torch.tensor([[torch.nan, torch.inf]]), 1.0, weights=torch.tensor([0.0, 1.0]))
    assert rows.tolist() == []


def test_assign_or_new_prefers_new_in_a_draw():
    scores = torch.tensor([[1.0, 1.0, 0.5], [0.0, 2.0, 1.0], [0.0, 3.0, -torch.inf]])
    assert assign_or_new(scores).tolist() == [-1, 1, 0]


@pytest.mark.parametrize("num_detections", [0, 2])
def test_all_are_new_where_there_are_no_tracks(num_detections):
    assert assign_or_new(torch.zeros(num_detections, 1)).tolist() == [-1] * num_detections


def test_two_weak_detections_took_a_strong_ones_track_together():
    cost = torch.tensor([[0.2, 0.1], [0.1, 1.0]])  # detection 0 is strong and fits both tracks; the weak one fits track 0 alone
    assert [pair.tolist() for pair in assign(cost, 0.5)] == [[0, 1], [1, 0]]
    cost = torch.tensor([[0.1, 0.05], [0.45, 1.0]])
    assert [pair.tolist() for pair in assign(cost, 0.5)] == [[0, 1], [1, 0]]
    rows, columns = assign(cost, 0.5, weights=torch.tensor([0.9, 0.1]))
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def test_queries_merge_to_their_best_row_and_join_classes(detections):
    found = detections([(100, 100), (110, 100), (300, 100), (105, 100)], scores=[0.5, 0.8, 0.7, 0.6], labels=[1, 2, 0, 3])
    found.query_ids = torch.tensor([4, 4, 9, 4])
    merged = merge_queries(found)
    assert merged.labels.tolist() == [2, 0]
    assert merged.scores.tolist() == pytest.approx([0.8, 0.7])
    assert merged.class_scores[0].tolist() == pytest.approx([0, 0.5, 0.8, 0.6, 0])
    assert found.class_scores[1].tolist() == pytest.approx([0, 0, 0.8, 0, 0]), "what was given is not changed"


def test_queries_merge_without_class_scores(detections):
    found = detections([(100, 100), (110, 100)], scores=[0.5, 0.8], labels=[1, 2], bare=True)
    found.query_ids = torch.tensor([4, 4])
    assert merge_queries(found).class_scores.tolist() == [pytest.approx([0, 0.5, 0.8])]


def test_equal_scores_keep_the_first_row(detections):
    found = detections([(100, 100), (110, 100)], labels=[3, 1])
    found.query_ids = torch.tensor([4, 4])
    assert merge_queries(found).labels.tolist() == [3]


def test_class_evidence_without_class_scores(detections):
    assert class_evidence(detections([(0, 0)], scores=0.5, labels=[2], bare=True)).tolist() == [[0, 0, 0.5]]
    assert class_evidence(detections([], bare=True)).shape == (0, 0)


def test_duplicates_go_and_order_stays(detections):
    found = detections([(300, 100), (100, 100), (102, 100), (200, 100)], scores=[0.5, 0.6, 0.9, 0.7])
    assert suppress_duplicates(found, 0.7).scores.tolist() == pytest.approx([0.5, 0.9, 0.7])


def test_a_suppressed_row_suppresses_nobody(detections):
    """In a chain of three the middle one goes; the last overlaps only the middle one enough."""
    found = detections([(100, 100), (106, 100), (112, 100)], scores=[0.9, 0.8, 0.7])
    assert suppress_duplicates(found, 0.7).scores.tolist() == pytest.approx([0.9, 0.7])


def test_masks_decide_where_there_are_some(detections):
    found = detections([(100, 100), (101, 100), (120, 100)], scores=[0.9, 0.8, 0.7])
    bitmaps = torch.zeros(3, 360, 640, dtype=torch.bool)
    bitmaps[0, 60:100, 80:120] = True  # above
    bitmaps[1, 100:140, 80:120] = True  # below, the same box
    bitmaps[2, 60:100, 81:120] = True  # another box, nearly the first mask
    found.masks = BitMasks(bitmaps)
    assert suppress_duplicates(found, 0.6).scores.tolist() == pytest.approx([0.9, 0.8])


def test_boxes_move_with_their_velocity_up_to_the_horizon():
    boxes, velocities = torch.tensor([[0.0, 0.0, 10.0, 10.0]] * 2), torch.tensor([[100.0, -20.0]] * 2)
    moved = predict_boxes(boxes, velocities, torch.tensor([0.1, 100.0]))
    assert moved[0].tolist() == pytest.approx([10, -2, 20, 8])
    assert moved[1].tolist() == pytest.approx([100 * HORIZON, -20 * HORIZON, 10 + 100 * HORIZON, 10 - 20 * HORIZON])


@pytest.mark.parametrize("fps", [3, 30])
def test_velocity_is_learned_at_any_frame_rate(fps):
    velocity, box = torch.zeros(1, 2), torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    for _ in range(fps):  # a second
        moved = box + torch.tensor([60.0, 0.0, 60.0, 0.0]) / fps
        velocity = update_velocities(velocity, box, moved, torch.tensor([1 / fps]))
        box = moved
    assert velocity[0].tolist() == pytest.approx([60, 0], rel=0.01)


def test_velocity_stays_when_no_time_passes():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    assert update_velocities(torch.tensor([[5.0, 0.0]]), boxes, boxes + 50, torch.zeros(1)).tolist() == [[5.0, 0.0]]


def test_distances():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [30.0, 0.0, 50.0, 20.0]])
    assert centre_distance(boxes[:1], boxes).tolist() == [pytest.approx([0, (35**2 + 5**2) ** 0.5 / 20])]
    distances = class_distance(torch.tensor([[0.9, 0.0], [0.0, 0.0]]), torch.tensor([[0.2, 0.0], [0.0, 0.5]]))
    assert distances[0].tolist() == pytest.approx([0, 1])
    assert distances.isfinite().all()


def make_table(sightings: Sightings) -> TrackTable:
    tracks = TrackTable.empty()
    tracks.fit_widths(sightings)
    tracks.add(torch.arange(1, len(sightings) + 1), sightings, torch.arange(len(sightings)), 0.0)
    return tracks


def test_cost_is_zero_for_the_same_and_inf_out_of_reach(detections):
    sightings = Sightings.of(detections([(100, 100), (600, 300)]))
    cost = Affinity().cost(make_table(sightings), sightings, 0.0, RAW)
    assert cost.diagonal().tolist() == pytest.approx([0, 0], abs=1e-6)
    assert cost[0, 1] == torch.inf


def test_appearance_counts_more_the_longer_an_object_was_out_of_sight(detections):
    tracks = make_table(Sightings.of(detections([(100, 100)], looks=[1])))
    like, unlike = Sightings.of(detections([(100, 100)], looks=[1])), Sightings.of(detections([(100, 100)], looks=[2]))
    gaps = [
        Affinity().cost(tracks, unlike, t, RAW).item() - Affinity().cost(tracks, like, t, RAW).item() for t in (0.1, 1.0, 3.0)
    ]
    assert gaps == sorted(gaps)
    assert gaps[0] < gaps[-1]


def test_class_count_may_grow(detections):
    first, second = detections([(100, 100)], labels=[1], bare=True), detections([(100, 100)], labels=[4], bare=True)
    tracks, sightings = make_table(Sightings.of(first)), Sightings.of(second)
    tracks.fit_widths(sightings)
    tracks.see(torch.tensor([0]), sightings, torch.tensor([0]), 10.0)
    assert tracks.labels.tolist() == [4]
