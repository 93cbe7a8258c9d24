"""Trackers by name."""

import pytest

from queryinst_vis.errors import UserError
from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.trackers import IoUTracker, build_tracker


def test_by_name():
    tracker = build_tracker("iou", score_threshold=0.35)
    assert isinstance(tracker, IoUTracker)
    assert tracker.min_score == 0.35


def test_each_call_gives_a_fresh_one():
    assert build_tracker("iou", score_threshold=0.3) is not build_tracker("iou", score_threshold=0.3)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"no tracker is called 'querymatch'; did you mean 'query_match'\?") as caught:
        build_tracker("querymatch", score_threshold=0.3)
    assert str(caught.value).endswith("There are: iou, masktrack, memory_bank, query_match")


def test_settings_by_name():
    assert build_tracker("iou", score_threshold=0.3, patience=4.0).patience == 4.0
    assert build_tracker("masktrack", score_threshold=0.3, reference=True).reference


def test_unknown_settings_are_answered_with_those_there_are():
    with pytest.raises(UserError, match=r"^tracker 'iou' has no setting 'patiense'; it has: patience, min_iou$"):
        build_tracker("iou", score_threshold=0.3, patiense=4.0)


@pytest.mark.parametrize("settings", [{"score_threshold": 2.0}, {"score_threshold": 0.3, "patience": -1.0}])
@pytest.mark.parametrize("name", available(TRACKERS))
def test_settings_that_cannot_be_are_refused_in_one_line(name, settings):
    with pytest.raises(UserError, match=rf"^tracker '{name}': .* got -?\d") as caught:
        build_tracker(name, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("name", available(TRACKERS))
def test_every_tracker_works_with_every_kind_of_embeddings(name, similarity):
    build_tracker(name, score_threshold=0.3, similarity=similarity)


@pytest.fixture
def logits_only():
    """A tracker registered for one test."""

    @TRACKERS.register_module(name="logits_only")
    class LogitsOnly(IoUTracker):
        similarities = ("dot",)

    yield "logits_only"
    del TRACKERS.module_dict["logits_only"]


def test_embeddings_of_the_wrong_kind_are_refused_in_one_line(logits_only):
    with pytest.raises(UserError, match="needs embeddings made for dot similarity, this model's are for cosine") as caught:
        build_tracker(logits_only, score_threshold=0.3, similarity="cosine")
    assert "\n" not in str(caught.value)
    assert build_tracker(logits_only, score_threshold=0.3, similarity="dot").min_score == 0.3
