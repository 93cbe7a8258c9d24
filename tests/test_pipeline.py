"""The main path with a model whose answers are known: frames and objects stay together, ids stay with the objects."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
import torch
from blobs import BlobModel, two_discs

from queryinst_vis.acceleration import accelerate
from queryinst_vis.checkpoint import load_model
from queryinst_vis.pipeline import segment_frames, track_video
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers import build_tracker
from queryinst_vis.video import open_video


def frames(count: int = 10) -> Iterator[Frame]:
    return (Frame(two_discs(index), index, index, Fraction(1, 25)) for index in range(count))


@pytest.fixture
def model() -> BlobModel:
    return BlobModel().eval()


def test_every_frame_once_with_its_own_objects(model: BlobModel):
    results = list(segment_frames(frames(), model, min_score=0.5))
    assert [frame.index for frame, _ in results] == list(range(10))
    for frame, found in results:
        red = found.boxes[found.labels == 0][0]
        assert float(red[0] + red[2]) / 2 == pytest.approx(20 + 3 * frame.index, abs=1)


@pytest.mark.parametrize("tracker", ["iou", "query_match"])
def test_ids_stay_with_their_objects(model: BlobModel, tracker: str):
    ids: dict[int, set[int]] = {0: set(), 1: set()}
    for _, tracked in track_video(frames(), model, build_tracker(tracker, score_threshold=0.5)):
        for label, track_id in zip(tracked.labels.tolist(), tracked.track_ids.tolist(), strict=True):
            ids[label].add(track_id)
    assert len(ids[0]) == len(ids[1]) == 1
    assert ids[0] != ids[1]


def test_detections_below_the_trackers_least_score_are_not_asked_for(model: BlobModel):
    tracker = build_tracker("iou", score_threshold=0.95)
    assert all(len(tracked) == 0 for _, tracked in track_video(frames(), model, tracker))


def test_other_classes_never_reach_the_tracker(model: BlobModel):
    for _, tracked in track_video(frames(), model, build_tracker("iou", score_threshold=0.5), labels=[1]):
        assert tracked.labels.tolist() == [1]
        assert tracked.class_scores[:, 0].tolist() == [0]


def test_a_video_may_come_in_parts(model: BlobModel):
    whole, parts = build_tracker("iou", score_threshold=0.5), build_tracker("iou", score_threshold=0.5)
    expected = [tracked.track_ids.tolist() for _, tracked in track_video(frames(), model, whole)]
    all_frames = list(frames())
    got = [t.track_ids.tolist() for part in (all_frames[:4], all_frames[4:]) for _, t in track_video(part, model, parts)]
    assert got == expected


def test_one_frame_at_a_time_and_gradients_stay_on_outside(model: BlobModel):
    """Nothing is read ahead of what was asked for, and the caller's mode is its own between frames."""
    taken = []

    def watched() -> Iterator[Frame]:
        for frame in frames():
            taken.append(frame.index)
            yield frame

    results = track_video(watched(), model, build_tracker("iou", score_threshold=0.5))
    next(results)
    assert taken == [0]
    assert not torch.is_inference_mode_enabled()
    assert model.images_seen == 1


@pytest.mark.parametrize("batch_size", [2, 3, 10, 64])
def test_batches_change_nothing(model: BlobModel, batch_size: int):
    def tracked(size: int) -> list[tuple[int, list[int], list[list[float]]]]:
        found = track_video(frames(), model, build_tracker("query_match", score_threshold=0.5), batch_size=size)
        return [(frame.index, result.track_ids.tolist(), result.boxes.tolist()) for frame, result in found]

    assert tracked(batch_size) == tracked(1)


def test_which_frames_go_together_depends_on_their_indices(model: BlobModel, monkeypatch: pytest.MonkeyPatch):
    """So that what is done again after a stop is done as before."""
    sizes: list[int] = []
    predict = model.predict

    def counted(images: list, **options: float) -> list[Instances]:
        sizes.append(len(images))
        return predict(images, **options)

    monkeypatch.setattr(model, "predict", counted)
    assert len(list(segment_frames(islice(frames(12), 5, None), model, min_score=0.5, batch_size=4))) == 7
    assert sizes == [3, 4]


def test_what_was_decoded_before_an_error_is_not_lost(model: BlobModel):
    def broken() -> Iterator[Frame]:
        yield from frames(6)
        raise OSError("the disk is gone")

    results = segment_frames(broken(), model, min_score=0.5, batch_size=4)
    assert [frame.index for frame, _ in islice(results, 6)] == list(range(6))
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)


def test_small_networks_take_frames_together(model: BlobModel):
    small = accelerate(load_model("default", device="cpu"))
    assert [small.frames_at_once(hw) for hw in ((720, 1280), (1080, 1920), (480, 640), (100, 4000))] == [4, 4, 3, 4]
    assert accelerate(load_model("default", device="cpu", size=960)).frames_at_once((720, 1280)) == 1
    assert load_model("default", device="cpu").frames_at_once((720, 1280)) == 1  # as it is trained
    assert accelerate(model).frames_at_once((720, 1280)) == 1  # nobody knows how small it is


def test_the_default_model_gives_the_same_ids_in_batches(repo_root: Path):
    model = accelerate(load_model("default", device="cpu", size=192))

    def tracked(size: int) -> list[Instances]:
        tracker = build_tracker(model.info.tracker, score_threshold=model.info.score_threshold, similarity=model.info.similarity)
        with open_video(repo_root / "demo" / "clip.mp4") as video:
            return [result for _, result in track_video(islice(video, 8), model, tracker, batch_size=size)]

    for alone, together in zip(tracked(1), tracked(3), strict=True):
        assert alone.track_ids.tolist() == together.track_ids.tolist()
        torch.testing.assert_close(together.boxes, alone.boxes, atol=0.05, rtol=1e-3)
