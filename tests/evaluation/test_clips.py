"""Scores of sparsely annotated clips, on cases counted by hand."""

import json

import pytest

from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.clips import (
    ClipScores,
    ShownFrame,
    ShownObject,
    TrueFrame,
    TrueObject,
    load_truth,
    match_frame,
    measure_clip,
)

HERE, THERE, FAR = (0, 0, 100, 100), (200, 0, 300, 100), (400, 0, 500, 100)
NAMED = ("person", "animal")


def clip(*frames: list[tuple]) -> list[ShownFrame]:
    """Two frames a second of (track id, class name, box)."""
    return [ShownFrame(i / 2, tuple(ShownObject(*thing) for thing in frame)) for i, frame in enumerate(frames)]


def truth(*frames: list[tuple]) -> list[TrueFrame]:
    """Every frame annotated: (id, category, box)."""
    return [TrueFrame(i, tuple(TrueObject(*thing) for thing in frame)) for i, frame in enumerate(frames)]


PERSON = [(1, "person", HERE)]


def test_a_perfect_track():
    scores = measure_clip(truth(PERSON, PERSON, PERSON), clip(*[[(7, "person", HERE)]] * 3), categories=NAMED)
    assert scores.recall("person") == 1
    assert scores.same_id == 1
    assert scores.ids_per_object == 1
    assert (scores.mixed, scores.ghosts, scores.false) == (0, 0, 0)


def test_nothing_annotated_and_nothing_shown():
    scores = measure_clip([], [], categories=NAMED)
    assert scores.recall("person") is None
    assert scores.same_id is None
    assert scores.ids_per_object is None


def test_a_missed_sighting_breaks_both_of_its_pairs():
    scores = measure_clip(truth(PERSON, PERSON, PERSON), clip([(7, "person", HERE)], [], [(7, "person", HERE)]), categories=NAMED)
    assert scores.recall("person") == pytest.approx(2 / 3)
    assert (scores.kept_pairs, scores.pairs) == (0, 2)
    assert scores.ids_per_object == 1


def test_pairs_reach_over_frames_without_the_object():
    scores = measure_clip(truth(PERSON, [], PERSON), clip(*[[(7, "person", HERE)]] * 3), categories=NAMED)
    assert (scores.kept_pairs, scores.pairs) == (1, 1)


def test_swapped_ids():
    both = [(1, "person", HERE), (2, "animal", THERE)]
    shown = clip([(7, "person", HERE), (8, "dog", THERE)], [(8, "person", HERE), (7, "dog", THERE)])
    scores = measure_clip(truth(both, both), shown, categories=NAMED)
    assert scores.recall("person") == scores.recall("animal") == 1
    assert scores.same_id == 0
    assert scores.ids_per_object == 2
    assert scores.mixed == 2


def test_another_category_is_no_match():
    scores = measure_clip(truth(PERSON), clip([(7, "dog", HERE)]), categories=NAMED)
    assert scores.recall("person") == 0
    assert scores.false == 1


@pytest.mark.parametrize(("box", "found"), [((0, 0, 100, 50), 1), ((0, 0, 100, 49), 0)])
def test_half_of_the_box_must_overlap(box, found):
    assert measure_clip(truth(PERSON), clip([(7, "person", box)]), categories=NAMED).found["person"] == found


def test_matching_is_one_to_one_and_of_largest_overlap():
    near = (10, 0, 110, 100)
    true = [TrueObject(1, "person", HERE), TrueObject(2, "person", near)]
    shown = [ShownObject(7, "person", near), ShownObject(8, "person", HERE), ShownObject(9, "person", HERE)]
    matches = match_frame(true, shown)
    assert matches[1] == 0
    assert matches[0] in (1, 2)


@pytest.mark.parametrize(("num_frames", "ghosts"), [(3, 0), (4, 1)])
def test_a_ghost_lasts_longer_than_a_second(num_frames, ghosts):
    empty = [TrueFrame(1, ())]
    assert measure_clip(empty, clip(*[[(7, "person", HERE)]] * num_frames), categories=NAMED).ghosts == ghosts


def test_no_ghosts_of_categories_not_annotated_in_ignored_regions_and_beside_objects():
    shown = clip(*[[(7, "chair", HERE), (8, "person", THERE), (9, "person", FAR)]] * 6)
    frames = [TrueFrame(1, (), (THERE, (380, 0, 450, 100))), TrueFrame(2, (TrueObject(1, "person", HERE),), (THERE, FAR))]
    scores = measure_clip(frames, shown, categories=NAMED)
    assert scores.ghosts == 0
    assert scores.false == 0


def test_frames_never_shown_count_as_missed():
    scores = measure_clip([TrueFrame(50, (TrueObject(1, "person", HERE),)), TrueFrame(60, ())], clip([]), categories=NAMED)
    assert scores.recall("person") == 0
    assert scores.ghosts == 0


def test_scores_add_up_over_clips():
    good = measure_clip(truth(PERSON, PERSON), clip(*[[(7, "person", HERE)]] * 2), categories=NAMED)
    bad = measure_clip(truth(PERSON, PERSON), clip([], []), categories=NAMED)
    both = good + bad
    assert both.recall("person") == 0.5
    assert both.same_id == 0.5
    assert both.ids_per_object == 1, "an object never found has no ids; recall counts it"
    assert (ClipScores() + both).to_dict() == both.to_dict()


def test_annotations_are_read(tmp_path):
    frame = {"index": 3, "objects": [{"id": 1, "category": "person", "box": [0, 0, 100, 100]}], "ignore": [[0, 0, 5, 5]]}
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"note": "", "clips": {"a.mp4": {"frames": [frame]}}}))
    assert load_truth(path) == {"a.mp4": [TrueFrame(3, (TrueObject(1, "person", HERE),), ((0, 0, 5, 5),))]}


@pytest.mark.parametrize("text", ["", "[]", '{"clips": {"a.mp4": {}}}', '{"clips": {"a.mp4": {"frames": [{"index": 0}]}}}'])
def test_annotations_of_another_form_are_refused_in_one_line(tmp_path, text):
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"truth\.json: no readable clip annotations"):
        load_truth(path)


def test_missing_annotations_are_refused(tmp_path):
    with pytest.raises(UserError, match="no readable"):
        load_truth(tmp_path / "truth.json")
