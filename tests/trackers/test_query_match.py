"""What is special about query_match: births, hysteresis, re-identification, class smoothing."""

import pytest
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Instances
from queryinst_vis.trackers import QueryMatchTracker

NOTHING = Instances.empty((360, 640))


@pytest.fixture
def tracker():
    return QueryMatchTracker(score_threshold=0.4)


def test_min_score_is_a_fraction_of_the_threshold():
    assert QueryMatchTracker(score_threshold=0.4, low_score=0.5).min_score == pytest.approx(0.2)


def test_a_sure_object_is_shown_at_once_and_another_when_seen_twice(tracker, detections, follow):
    assert follow(tracker, [NOTHING, detections([(100, 100), (300, 100)], scores=[0.9, 0.5])])[-1] == [1]
    assert follow(tracker, [detections([(100, 100), (300, 100)], scores=[0.9, 0.5])], start=2) == [[1, 2]]


def test_all_objects_of_the_first_frame_are_shown(tracker, detections, follow):
    assert follow(tracker, [detections([(100, 100), (300, 100)], scores=[0.9, 0.41])]) == [[1, 2]]


def test_a_second_sighting_may_come_after_one_miss(tracker, detections, follow):
    weak = detections([(100, 100)], scores=0.5)
    assert follow(tracker, [NOTHING, weak, NOTHING, weak]) == [[], [], [], [1]]


def test_single_sightings_are_never_shown(tracker, detections, follow):
    weak = detections([(100, 100)], scores=0.5)
    assert follow(tracker, [NOTHING, weak, NOTHING, NOTHING, weak, NOTHING, NOTHING, NOTHING]) == [[]] * 8


def test_a_low_score_carries_a_track_on_but_starts_none(tracker, detections, follow):
    places = [(100, 100), (300, 100)]
    frames = [detections(places[:1])] * 5 + [detections(places, scores=[0.25, 0.25])] * 3
    assert follow(tracker, frames) == [[1]] * 8


def test_a_track_of_low_scores_only_is_shown_no_more(tracker, detections, follow):
    frames = [detections([(100, 100)], scores=0.5)] * 5 + [detections([(100, 100)], scores=0.25)] * 20
    per_frame = follow(tracker, frames)
    assert per_frame[:6] == [[1]] * 6
    assert per_frame[-1] == []
    assert follow(tracker, [detections([(100, 100)], scores=0.9)] * 5, start=25)[-1] == [1]


def test_appearance_tells_returning_objects_apart(detections, follow):
    """Two objects leave and come back with their places swapped; only their looks can tell."""
    tracker = QueryMatchTracker(score_threshold=0.4)
    before, after = detections([(280, 100), (340, 100)], looks=[1, 2]), detections([(280, 100), (340, 100)], looks=[2, 1])
    per_frame = follow(tracker, [before] * 10 + [NOTHING] * 20 + [after] * 2)
    assert per_frame[9] == [1, 2]
    assert per_frame[-1] == [2, 1]


def test_another_object_far_away_is_not_the_lost_one(tracker, detections, follow):
    frames = [detections([(50, 100)], looks=[1])] * 5 + [NOTHING] * 2 + [detections([(600, 300)], looks=[1])] * 2
    assert follow(tracker, frames)[-1] == [2]


def test_a_lost_track_is_forgotten_after_its_patience(detections, follow):
    tracker = QueryMatchTracker(score_threshold=0.4, patience=2.0)
    frame = detections([(100, 100)])
    assert follow(tracker, [frame] * 2 + [NOTHING] * 15 + [frame])[-1] == [1]
    assert follow(tracker, [NOTHING] * 25 + [frame], start=20)[-1] == [2]


def test_the_class_is_that_of_the_track(tracker, detections):
    for i in range(8):
        shown = tracker.update(detections([(100, 100)], labels=[2 if i == 5 else 1], looks=[0]), time=i / 10)
        assert shown.labels.tolist() == [1]


def test_no_birth_on_an_object_of_the_same_class(tracker, detections, follow):
    alone, with_part = detections([(100, 100)]), detections([(100, 100), (112, 100)], scores=[0.7, 0.9])
    assert follow(tracker, [alone] * 3 + [with_part] * 5) == [[1]] * 8


def test_birth_on_an_object_of_another_class(tracker, detections, follow):
    alone, both = detections([(100, 100)], labels=[1]), detections([(100, 100), (112, 100)], labels=[1, 2])
    assert follow(tracker, [alone] * 3 + [both] * 3)[-1] == [1, 2]


def test_masks_tell_objects_with_overlapping_boxes_apart(tracker, detections, follow):
    """Two of a class, boxes alike, one mask in the upper half and one in the lower."""
    found = detections([(100, 100), (102, 100)])
    bitmaps = torch.zeros(2, 360, 640, dtype=torch.bool)
    bitmaps[0, 60:100, 80:120] = True
    bitmaps[1, 100:140, 82:122] = True
    found.masks = BitMasks(bitmaps)
    assert follow(tracker, [found] * 3) == [[1, 2]] * 3


def test_a_track_that_jumps_at_a_low_frame_rate(tracker, detections):
    """Two frames a second: boxes of one object need not overlap."""
    ids = [tracker.update(detections([(100 + 45 * i, 100)], looks=[0]), time=i / 2).track_ids.tolist() for i in range(8)]
    assert ids == [[1]] * 8


def test_embeddings_that_change_size_are_refused(tracker, detections):
    tracker.update(detections([(100, 100)]), time=0.0)
    other = detections([(100, 100)])
    other.embeds = torch.ones(1, 5)
    with pytest.raises(ValueError, match="size 5 follow some of 16"):
        tracker.update(other, time=0.1)


def test_usable_inside_and_outside_of_inference_mode(tracker, detections):
    """Models give inference tensors; a track must survive the change."""
    for i, mode in enumerate([True, False, True, False]):
        with torch.inference_mode(mode):
            assert tracker.update(detections([(100, 100)]), time=i / 10).track_ids.tolist() == [1]


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        QueryMatchTracker(score_threshold=threshold)


def test_a_lost_object_that_is_recognised_late_gets_its_id_back(tracker, detections, follow):
    """It comes back looking like something else, as objects do that are half outside of the picture."""
    known, odd = detections([(500, 100)], labels=[1], looks=[1]), detections([(560, 100)], labels=[2], looks=[2])
    per_frame = follow(tracker, [known] * 5 + [NOTHING] * 10 + [odd] * 2 + [known] * 3)
    assert per_frame[16] == [2]
    assert per_frame[-1] == [1]


def test_a_track_takes_over_no_id_of_an_object_it_was_seen_with(tracker, detections, follow):
    one, both = detections([(100, 100)], looks=[1]), detections([(100, 100), (150, 100)], looks=[1, 1])
    per_frame = follow(tracker, [one] * 5 + [both] * 2 + [both[1:]] * 3)
    assert per_frame[-1] == per_frame[6][1:] != per_frame[0]


@pytest.mark.parametrize(("similarity", "alike", "expected"), [("cosine", 0, [2, 1]), ("dot", 0, [2, 1]), ("cosine", 20, [1, 2])])
def test_looks_outweigh_place_only_where_they_tell_objects_apart(detections, follow, similarity, alike, expected):
    """Two swap places while they are hidden for a moment. alike: length of what all embeddings share."""
    tracker = QueryMatchTracker(score_threshold=0.4, similarity=similarity)
    before, after = detections([(280, 100), (340, 100)], looks=[1, 2]), detections([(280, 100), (340, 100)], looks=[2, 1])
    for found in (before, after):
        found.embeds = found.embeds + alike * torch.eye(16)[0]
    assert follow(tracker, [before] * 20 + [NOTHING] * 3 + [after])[-1] == expected


def test_a_weak_detection_must_have_the_mask_of_its_track(detections, follow):
    """Its box is where the track is expected, but what it covers is the other half of it."""
    tracker = QueryMatchTracker(score_threshold=0.4)
    upper, lower = torch.zeros(2, 1, 360, 640, dtype=torch.bool)
    upper[:, 60:100, 80:120], lower[:, 100:140, 80:120] = True, True
    strong, weak = detections([(100, 100)]), detections([(100, 100)], scores=0.25)
    strong.masks, weak.masks = BitMasks(upper), BitMasks(lower)
    assert follow(tracker, [strong] * 5 + [weak]) == [[1]] * 5 + [[]]
    weak.masks = BitMasks(upper)
    assert follow(tracker, [strong, weak], start=6) == [[1]] * 2
