"""Events of scripted tracks, and of every tracker."""

import json
import re
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
import torch

from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers import build_tracker, events
from queryinst_vis.trackers.events import Event, EventFinder

FPS = 10


def frame(index: int) -> Frame:
    return Frame(np.zeros((8, 8, 3), dtype=np.uint8), index, index, Fraction(1, FPS))


def shown(*ids: int, label: int = 0) -> Instances:
    count = len(ids)
    labels = torch.full((count,), label)
    return Instances((8, 8), torch.zeros(count, 4), torch.ones(count), labels, track_ids=torch.tensor(ids, dtype=torch.int64))


def run(finder: EventFinder, frames: list[Instances], *, start: int = 0) -> list[Event]:
    return [event for index, found in enumerate(frames, start=start) for event in finder.update(frame(index), found)]


def short(found: list[Event]) -> list[tuple[str, int, int]]:
    return [(event.kind, event.track_id, event.frame_index) for event in found]


def test_life_of_a_track():
    finder = EventFinder(patience=0.3)
    found = run(finder, [shown(), shown(1), shown(1), shown(), shown(1), *[shown()] * 5])
    assert short(found) == [("born", 1, 1), ("lost", 1, 3), ("returned", 1, 4), ("lost", 1, 5), ("ended", 1, 8)]
    assert [event.time for event in found] == pytest.approx([0.1, 0.3, 0.4, 0.5, 0.8])


def test_last_frame_ends_all_that_is_there_or_waited_for():
    finder = EventFinder(patience=1)
    run(finder, [shown(1, 2, 3), shown(3, 1)])
    assert short(finder.finish()) == [("ended", 1, 1), ("ended", 2, 1), ("ended", 3, 1)]
    assert finder.finish() == []


def test_one_that_comes_back_after_its_end_has_returned():
    finder = EventFinder(patience=0.1)
    assert short(run(finder, [shown(4), shown(), shown(), shown(4)]))[-2:] == [("ended", 4, 2), ("returned", 4, 3)]


def test_label_is_that_of_the_last_sighting():
    finder = EventFinder(patience=0)
    found = run(finder, [shown(1, label=3), shown(1, label=5), shown(), shown()])
    assert [(event.kind, event.label) for event in found] == [("born", 3), ("lost", 5), ("ended", 5)]


def test_no_frame_and_no_object_give_no_event():
    assert EventFinder().finish() == []
    assert run(EventFinder(), [shown()] * 5) == []


def test_mistakes():
    with pytest.raises(ValueError, match="track_ids"):
        EventFinder().update(frame(0), Instances.empty((8, 8)))
    with pytest.raises(ValueError, match="patience"):
        EventFinder(patience=-1)


def test_memory_does_not_grow(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "_MOST_ENDED", 5)
    finder = EventFinder(patience=0.2)
    run(finder, [shown(index + 1) for index in range(100)])
    state = finder.state_dict()
    assert {name: len(rows) for name, rows in state.items()} == {"present": 1, "absent": 2, "ended": 5, "last": 2}


@pytest.fixture(params=available(TRACKERS))
def tracked(request: pytest.FixtureRequest) -> list[Instances]:
    """Six objects that come and go, as a tracker shows them."""
    tracker = build_tracker(request.param, score_threshold=0.3)
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(6, 2, generator=generator) * 500
    frames = []
    for index in range(120):
        seen = torch.rand(6, generator=generator) > (0.1 if index // 20 % 2 else 0.7)
        boxes = torch.cat([corners, corners + 50], dim=1)[seen]
        found = Instances((600, 600), boxes, torch.full((len(boxes),), 0.9), torch.zeros(len(boxes), dtype=torch.int64))
        frames.append(tracker.update(found, time=index / FPS))
    return frames


def test_every_track_of_every_tracker_has_a_life_that_makes_sense(tracked: list[Instances]):
    finder = EventFinder(patience=0.5)
    found = run(finder, tracked)
    found += finder.finish()
    lives = defaultdict(str)
    for event in found:
        lives[event.track_id] += event.kind[0]
    assert set(lives) == {track_id for instances in tracked for track_id in instances.track_ids.tolist()}
    for life in lives.values():
        assert re.fullmatch("b(lr|ler)*l?e", life)


def test_saved_in_the_middle_as_json_gives_the_same_events(tracked: list[Instances]):
    whole, first, second = (EventFinder(patience=0.5) for _ in range(3))
    expected = run(whole, tracked)
    begun = run(first, tracked[:50])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert begun + run(second, tracked[50:], start=50) == expected
