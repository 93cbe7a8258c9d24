"""Counting tracks by class."""

import json

import pytest
import torch

from queryinst_vis.jobs import tally
from queryinst_vis.jobs.tally import TrackTally
from queryinst_vis.structures import Instances


def shown(ids: list[int], labels: list[int]) -> Instances:
    scores = torch.full((len(ids),), 0.8)
    return Instances((8, 8), torch.zeros(len(ids), 4), scores, torch.tensor(labels).long(), track_ids=torch.tensor(ids).long())


def test_memory_does_not_grow_with_the_number_of_tracks(monkeypatch: pytest.MonkeyPatch):
    """A stream of days kept the class scores of every track it ever had."""
    monkeypatch.setattr(tally, "_KEPT", 3)
    counted = TrackTally(2)
    for index in range(20):
        counted.add(shown([1, index + 2], [0, index % 2]))
        assert len(counted.state_dict()["class_sums"]) <= 3
    assert counted.num_frames == 20
    assert counted.by_label() == {0: 11, 1: 10}


def test_class_is_that_of_the_highest_mean_score():
    counted = TrackTally(2)
    for label in [1, 0, 1]:
        counted.add(shown([5], [label]))
    assert counted.by_label() == {1: 1}


def test_saved_as_json_and_carried_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tally, "_KEPT", 2)
    whole, first, second = TrackTally(2), TrackTally(2), TrackTally(2)
    frames = [shown([index, index + 1], [index % 2, 0]) for index in range(1, 12)]
    for found in frames:
        whole.add(found)
    for found in frames[:5]:
        first.add(found)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for found in frames[5:]:
        second.add(found)
    assert second.state_dict() == whole.state_dict()
    assert second.by_label() == whole.by_label()
