"""masktrack: the published score and decisions as golden numbers, and what is special about it."""

import pytest
import torch

from queryinst_vis.structures import Instances
from queryinst_vis.trackers import MaskTrackTracker
from queryinst_vis.trackers.masktrack_reference import match_scores

NOTHING = Instances.empty((360, 640))

# Two objects in memory, four detections; expected numbers from the published formula, boxes without +1.
MEMORY_BOXES = torch.tensor([[8.0, 9, 48, 61], [105, 42, 190, 118]])
MEMORY_LABELS = torch.tensor([1, 3])
BOXES = torch.tensor([[10.0, 10, 50, 60], [100, 40, 180, 120], [12, 12, 52, 58], [200, 10, 230, 40]])
LABELS, SCORES = torch.tensor([1, 2, 1, 0]), torch.tensor([0.9, 0.6, 0.8, 0.3])
LOGITS = torch.tensor([[3.0, -1], [-2, 4], [2.5, 0], [-0.5, -1]])
OVERLAP = torch.tensor([[0.871560, 0], [0, 0.796089], [0.731449, 0], [0, 0]])
EXPECTED = [
    [6.828755, 11.571875, -4.171244],
    [5.468593, -6.531407, 1.060772],
    [7.124848, 11.087746, -2.875152],
    [8.115757, -2.384243, -2.884243],
]


def golden_instances(boxes, labels, scores, embeds) -> Instances:
    return Instances((360, 640), boxes, scores, labels, embeds=embeds)


@pytest.fixture
def golden_frames() -> list[Instances]:
    """The memory as a first frame, with embeddings that give LOGITS as products, and the detections as a second."""
    first = golden_instances(MEMORY_BOXES, MEMORY_LABELS, torch.tensor([0.9, 0.9]), torch.eye(2))
    return [first, golden_instances(BOXES, LABELS, SCORES, LOGITS)]


def test_score_is_the_published_one():
    scores = match_scores(LOGITS, SCORES, OVERLAP, LABELS[:, None] == MEMORY_LABELS)
    assert torch.allclose(scores, torch.tensor(EXPECTED), atol=2e-6)
    assert scores.argmax(1).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0)])
def test_score_of_nothing(shape):
    scores = match_scores(torch.zeros(shape), torch.ones(shape[0]), torch.zeros(shape), torch.zeros(shape, dtype=torch.bool))
    assert scores.shape == (shape[0], shape[1] + 1)
    assert scores.isfinite().all()


def make_reference() -> MaskTrackTracker:
    return MaskTrackTracker(score_threshold=0.05, similarity="dot", reference=True)


def test_reference_decides_as_published(golden_frames, follow):
    """Detection 0 takes object 0; 2 loses it and is dropped; 1 is new although its embedding says object 1; 3 is new."""
    tracker = make_reference()
    assert follow(tracker, golden_frames[:1]) == [[1, 2]]
    shown = tracker.update(golden_frames[1], time=0.1)
    assert shown.track_ids.tolist() == [1, 3, 4]
    assert shown.boxes.tolist() == BOXES[[0, 1, 3]].tolist()


def test_reference_keeps_the_later_and_stronger_of_two_claimants(golden_frames, follow):
    """In the other order the weaker one comes first: the reference shows both, and its results keep the later."""
    tracker = make_reference()
    tracker.update(golden_frames[0], time=0.0)
    shown = tracker.update(golden_frames[1][torch.tensor([2, 0])], time=0.1)
    assert shown.track_ids.tolist() == [1]
    assert shown.boxes.tolist() == BOXES[:1].tolist()


def test_reference_remembers_box_and_look_of_the_winner_but_the_first_label(golden_frames):
    tracker = make_reference()
    for i, frame in enumerate(golden_frames):
        tracker.update(frame, time=i / 10)
    memory = tracker.state_dict()["memory"]
    assert memory["labels"].tolist() == [1, 3, 2, 0]
    assert memory["boxes"].tolist() == torch.stack([BOXES[0], MEMORY_BOXES[1], BOXES[1], BOXES[3]]).tolist()
    assert memory["embeds"].tolist() == [[3, -1], [0, 1], [-2, 4], [-0.5, -1]]


def test_reference_does_not_compare_with_what_is_new_in_the_frame(detections):
    """Two detections of one new object become two."""
    tracker = make_reference()
    tracker.update(detections([(500, 300)], labels=[4]), time=0.0)
    assert tracker.update(detections([(100, 100), (101, 100)], looks=[1, 1]), time=0.1).track_ids.tolist() == [2, 3]


def test_reference_starts_with_the_first_frame_that_has_detections(detections, follow):
    assert follow(make_reference(), [NOTHING, detections([]), detections([(100, 100), (300, 100)]), NOTHING]) == [
        [],
        [],
        [1, 2],
        [],
    ]


def test_reference_forgets_nothing(detections):
    tracker = make_reference()
    for time in (0.0, 10_000.0):
        assert tracker.update(detections([(100, 100)]), time=time).track_ids.tolist() == [1]


def test_reference_breaks_a_track_when_its_class_flips(detections, follow):
    """The label's bonus outweighs overlap; this is what the default mends."""
    frames = [detections([(100, 100)], labels=[label], looks=[0], bare=True) for label in (1, 2)]
    assert follow(make_reference(), frames) == [[1], [2]]
    assert follow(MaskTrackTracker(), frames) == [[1], [1]]


def test_reference_saved_and_restored(golden_frames):
    first, second = make_reference(), make_reference()
    first.update(golden_frames[0], time=0.0)
    second.load_state_dict(first.state_dict())
    ids = [t.update(golden_frames[1], time=0.1).track_ids.tolist() for t in (first, second)]
    assert ids[0] == ids[1] == [1, 3, 4]
    first.reset()
    assert first.update(golden_frames[1], time=0.2).track_ids.tolist() == [1, 2, 3, 4]


def test_reference_refuses_embeddings_that_change_size(detections):
    tracker = make_reference()
    tracker.update(detections([(100, 100)]), time=0.0)
    other = detections([(100, 100)])
    other.embeds = torch.ones(1, 5)
    with pytest.raises(ValueError, match="size 5 follow some of 16"):
        tracker.update(other, time=0.1)


def test_one_to_one_where_the_reference_drops_an_object(detections):
    """Both detections look most like track 1; the second is track 2 all the same."""
    tracker = MaskTrackTracker(similarity="dot")
    first, second = detections([(100, 100), (160, 100)]), detections([(104, 100), (160, 100)])
    first.embeds, second.embeds = torch.eye(2) * 3, torch.tensor([[2.0, 0.0], [1.0, 0.8]])
    tracker.update(first, time=0.0)
    assert tracker.update(second, time=0.1).track_ids.tolist() == [1, 2]


def test_a_lost_track_is_forgotten_after_its_patience(detections, follow):
    tracker, frame = MaskTrackTracker(patience=2.0), detections([(100, 100)])
    assert follow(tracker, [frame] * 2 + [NOTHING] * 15 + [frame])[-1] == [1]
    assert follow(tracker, [NOTHING] * 25 + [frame], start=20)[-1] == [2]


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_the_look_of_an_object_tells_who_is_back(detections, follow, similarity):
    """Two leave and come back with their places swapped."""
    tracker = MaskTrackTracker(similarity=similarity)
    before, after = detections([(280, 100), (340, 100)], looks=[1, 2]), detections([(280, 100), (340, 100)], looks=[2, 1])
    per_frame = follow(tracker, [before] * 10 + [NOTHING] * 20 + [after] * 2)
    assert per_frame[9] == [1, 2]
    assert per_frame[-1] == [2, 1]
