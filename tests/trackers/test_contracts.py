"""What every registered tracker promises, with embeddings of every kind it works with."""

import io
from fractions import Fraction

import numpy as np
import pytest
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.pipeline import track_video
from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers import build_tracker

KINDS = [(name, similarity) for name in available(TRACKERS) for similarity in TRACKERS.get(name).similarities]


@pytest.fixture(params=KINDS, ids=" ".join)
def make_tracker(request):
    name, similarity = request.param
    return lambda: build_tracker(name, score_threshold=0.3, similarity=similarity)


@pytest.fixture
def tracker(make_tracker):
    return make_tracker()


@pytest.fixture(params=[False, True], ids=["all fields", "boxes only"])
def bare(request):
    return request.param


def noisy_scene(detections, num_frames: int, *, seed: int = 0) -> list[Instances]:
    """Eight objects wandering, a fifth of the detections missing, false ones of any score, noise on boxes and scores."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(8, 2, generator=generator) * torch.tensor([640.0, 360.0])
    velocities = torch.randn(8, 2, generator=generator) * 4
    frames = []
    for _ in range(num_frames):
        centres = centres + velocities
        velocities = torch.where((centres < 0) | (centres > torch.tensor([640.0, 360.0])), -velocities, velocities)
        seen = torch.rand(8, generator=generator) > 0.2
        places = centres[seen] + torch.randn(int(seen.sum()), 2, generator=generator) * 2
        false = torch.rand(2, 2, generator=generator) * torch.tensor([640.0, 360.0])
        scores = torch.rand(len(places) + 2, generator=generator)
        looks = [*torch.nonzero(seen).flatten().tolist(), 100, 101]
        frames.append(detections(torch.cat([places, false]).tolist(), scores=scores, looks=looks))
    return frames


def test_ids_are_positive_unique_in_a_frame_and_never_reused(tracker, detections, follow):
    per_frame = follow(tracker, noisy_scene(detections, 200))
    last_seen = {}
    for index, ids in enumerate(per_frame):
        assert all(i > 0 for i in ids)
        assert len(set(ids)) == len(ids)
        for i in ids:
            assert index - last_seen.get(i, index) <= 10 * 10, "an id came back after ten seconds: reused or remembered for ever"
            last_seen[i] = index


def test_ids_are_not_reused_after_their_objects_are_forgotten(tracker, detections, follow, bare):
    used = set()
    for visit in range(5):
        frames = [detections([(100, 100)], bare=bare)] * 3
        ids = {i for ids in follow(tracker, frames, start=visit * 1000) for i in ids}
        assert ids
        assert not ids & used
        used |= ids


def test_identical_frames_keep_ids(tracker, detections, follow, bare):
    places = [(60, 100), (160, 100), (300, 200)]
    first, *rest = follow(tracker, [detections(places, bare=bare)] * 20)
    assert len(set(first)) == 3
    assert all(ids == first for ids in rest)


@pytest.mark.parametrize("empty_index", [0, 4])
def test_an_empty_frame_is_fine(tracker, detections, follow, bare, empty_index):
    frames = [detections([(100, 100), (300, 100)], bare=bare)] * 8
    frames[empty_index] = Instances.empty((360, 640))
    per_frame = follow(tracker, frames)
    assert per_frame[empty_index] == []
    assert per_frame[-1] == per_frame[2]
    assert len(per_frame[-1]) == 2


def test_only_empty_frames(tracker, detections, follow):
    assert follow(tracker, [detections([]), Instances.empty((360, 640)), detections([], bare=True)]) == [[], [], []]


@pytest.mark.parametrize("num_missing", [1, 3, 8])
def test_an_object_returns_after_some_frames(tracker, detections, follow, bare, num_missing):
    both, one = detections([(100, 100), (300, 100)], bare=bare), detections([(300, 100)], looks=[1], bare=bare)
    per_frame = follow(tracker, [both] * 5 + [one] * num_missing + [both] * 3)
    assert per_frame[-1] == per_frame[4]
    assert per_frame[5] == per_frame[4][1:]


def test_crossing_look_alikes_are_told_apart_by_motion(tracker, detections, follow, bare):
    frames = [detections([(100 + 12 * i, 100), (415 - 12 * i, 110)], looks=[0, 0], bare=bare) for i in range(27)]
    per_frame = follow(tracker, frames)
    assert per_frame[-1] == per_frame[0]
    assert len({i for ids in per_frame for i in ids}) == 2


def test_class_flips_do_not_break_a_track(tracker, detections, follow, bare):
    frames = [detections([(100 + i, 100)], labels=[1 if i % 3 else 2], looks=[0], bare=bare) for i in range(15)]
    assert len({i for ids in follow(tracker, frames) for i in ids}) == 1


def test_saved_and_restored_in_the_middle_gives_the_same_ids(make_tracker, detections, follow):
    frames = noisy_scene(detections, 60)
    expected = follow(make_tracker(), frames)
    first, second = make_tracker(), make_tracker()
    begun = follow(first, frames[:30])
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    follow(first, frames[30:])  # must not change what was saved
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert begun + follow(second, frames[30:], start=30) == expected


def test_state_is_a_snapshot(tracker, make_tracker, detections, follow):
    frames = noisy_scene(detections, 40)
    follow(tracker, frames[:20])
    state = tracker.state_dict()
    expected = follow(tracker, frames[20:], start=20)
    other = make_tracker()
    other.load_state_dict(state)
    assert follow(other, frames[20:], start=20) == expected


def test_reset_leaves_nothing_of_the_last_video(tracker, make_tracker, detections, follow):
    follow(tracker, noisy_scene(detections, 20, seed=1))
    tracker.reset()
    frames = [Instances.empty((360, 640)), *noisy_scene(detections, 20, seed=2)]
    assert follow(tracker, frames) == follow(make_tracker(), frames)


class Scripted:
    """A model that says about its n-th frame what the n-th page of a script says; the frame's first pixel is n."""

    def __init__(self, script):
        self.script = script

    def predict(self, images, *, min_score):
        return [self.script[image[0, 0, 0]] for image in images]


def test_a_video_handed_over_in_parts_gives_the_same_ids(make_tracker, detections):
    script = noisy_scene(detections, 60)
    frames = [Frame(np.full((1, 1, 3), i, dtype=np.uint8), index=i, pts=i, time_base=Fraction(1, 10)) for i in range(60)]

    def ids_of(parts):
        tracker, model = make_tracker(), Scripted(script)
        return [found.track_ids.tolist() for part in parts for _, found in track_video(part, model, tracker)]

    assert ids_of([frames[:1], frames[1:7], [], frames[7:40], frames[40:]]) == ids_of([frames])


def test_detections_below_min_score_change_nothing(make_tracker, detections, follow):
    frames = noisy_scene(detections, 60)
    tracker = make_tracker()
    assert follow(tracker, [f[f.scores >= tracker.min_score] for f in frames]) == follow(make_tracker(), frames)


def test_rows_shown_are_detections_in_their_order(tracker, detections):
    found = detections([(60, 100), (160, 100), (300, 200)], scores=[0.5, 0.9, 0.7])
    found.masks = BitMasks(torch.zeros(3, 360, 640, dtype=torch.bool))
    shown = tracker.update(found, time=0.0)
    assert shown.boxes.tolist() == found.boxes.tolist()
    assert shown.scores.tolist() == found.scores.tolist()
    assert len(shown.masks) == 3
    assert found.track_ids is None, "the detections given are left as they are"


def test_several_classes_of_one_query_are_one_object(tracker, detections):
    found = detections([(100, 100), (103, 100), (300, 100)], scores=[0.6, 0.8, 0.7], labels=[1, 2, 0])
    found.query_ids = torch.tensor([7, 7, 3])
    shown = tracker.update(found, time=0.0)
    assert shown.labels.tolist() == [2, 0]


def test_duplicates_of_different_queries_are_one_object(tracker, detections):
    shown = tracker.update(detections([(100, 100), (102, 100), (300, 100)], scores=[0.6, 0.8, 0.7]), time=0.0)
    assert shown.scores.tolist() == pytest.approx([0.8, 0.7])


def test_boxes_that_are_not_finite_are_left_out(tracker, detections, follow):
    broken = detections([(float("nan"), 100), (float("inf"), 100), (300, 100)])
    assert [len(ids) for ids in follow(tracker, [broken] * 3)] == [1, 1, 1]


def test_time_that_stands_still_or_jumps_back_is_survived(tracker, detections):
    ids = [tracker.update(detections([(100, 100)]), time=t).track_ids.tolist() for t in (5.0, 5.0, 1.0, 1.1)]
    assert ids == [ids[0]] * 4


def test_a_gap_of_hours_ends_tracks(tracker, detections, bare):
    seen = [tracker.update(detections([(100, 100)], bare=bare), time=t).track_ids.tolist() for t in (0.0, 0.1, 7200.0, 1e9, 1e9)]
    assert seen[0] == seen[1]
    assert seen[3] == seen[4]
    assert len({ids[0] for ids in seen}) == 3


def test_embeddings_that_are_not_finite_are_survived(tracker, detections):
    found = detections([(100, 100), (300, 100)])
    found.embeds[0, 3], found.embeds[1, 5] = float("nan"), float("inf")
    ids = [tracker.update(found, time=i / 10).track_ids.tolist() for i in range(3)]
    assert ids == [ids[0]] * 3
    assert len(ids[0]) == 2


def test_masks_may_come_and_go(tracker, detections, follow):
    plain, masked = detections([(100, 100), (300, 100)]), detections([(100, 100), (300, 100)])
    masked.masks = BitMasks(torch.zeros(2, 360, 640, dtype=torch.bool))
    masked.masks.tensor[0, 60:140, 80:120] = True  # the other one's is empty
    per_frame = follow(tracker, [plain, masked, masked, plain, masked])
    assert per_frame == [per_frame[0]] * 5


def test_what_was_given_is_left_as_it_is(tracker, detections, follow):
    frames = noisy_scene(detections, 30)
    before = [(f.boxes.clone(), f.class_scores.clone(), f.embeds.clone(), f.labels.clone()) for f in frames]
    follow(tracker, frames)
    for frame, (boxes, class_scores, embeds, labels) in zip(frames, before, strict=True):
        assert frame.track_ids is None
        for field, value in [("boxes", boxes), ("class_scores", class_scores), ("embeds", embeds), ("labels", labels)]:
            assert torch.equal(getattr(frame, field), value)


def test_a_crowd_is_fast(tracker):
    """100 tracks by 100 detections; a bound ten times of what is usual, for busy machines."""
    from time import perf_counter

    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(100, 2, generator=generator) * 1000
    boxes = torch.cat([corners, corners + 60], dim=1)
    crowd = Instances((1080, 1080), boxes, torch.full((100,), 0.9), torch.zeros(100, dtype=torch.int64))
    crowd.embeds = torch.randn(100, 256, generator=generator)
    tracker.update(crowd, time=0.0)
    started = perf_counter()
    for i in range(1, 6):
        tracker.update(crowd, time=i / 10)
    assert (perf_counter() - started) / 5 < 0.1


@pytest.mark.parametrize("num_frames", [900, pytest.param(20000, marks=pytest.mark.slow)])
def test_memory_stays_bounded_in_a_long_video(tracker, detections, num_frames):
    frames = noisy_scene(detections, 40)
    sizes = []
    for i in range(num_frames):
        tracker.update(frames[i * 7 % 40], time=i / 10)
        if i % 300 == 299:
            sizes.append(num_bytes(tracker))
    assert max(sizes) < 3 * sizes[0]


def test_memory_stays_bounded_when_time_stands_still(tracker):
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        corners = torch.rand(50, 2, generator=generator) * 10000
        boxes = torch.cat([corners, corners + 20], dim=1)
        tracker.update(Instances((10020, 10020), boxes, torch.full((50,), 0.95), torch.zeros(50, dtype=torch.int64)), time=0.0)
    assert num_bytes(tracker) < 1_000_000


def num_bytes(tracker) -> int:
    file = io.BytesIO()
    torch.save(tracker.state_dict(), file)
    return file.tell()
