"""What `track` says at the end."""

import torch
from blobs import BlobModel, two_discs

from queryinst_vis.cli import track_summary
from queryinst_vis.cli.track_summary import TrackSummary
from queryinst_vis.structures import Frame, Instances

HW = (96, 128)


def seen(index: int, ids: list[int], labels: list[int]) -> tuple[Frame, Instances]:
    """A frame in which tracks of these ids were found."""
    scores = torch.full((len(ids),), 0.8)
    found = Instances(HW, torch.zeros(len(ids), 4), scores, torch.tensor(labels).long(), track_ids=torch.tensor(ids).long())
    return Frame(two_discs(index), index, index, 1), found


def test_memory_does_not_grow_with_the_number_of_tracks(monkeypatch):
    """A stream of days kept the class scores of every track it ever had."""
    monkeypatch.setattr(track_summary, "_KEPT", 3)
    summary = TrackSummary(BlobModel(), None)
    for index in range(20):
        summary.add(*seen(index, [1, index + 2], [0, index % 2]))
        assert len(summary._class_sums) <= 3
    (line,) = summary.lines()
    assert line.startswith("20 frames in")
    assert line.endswith("21 tracks: red disc 11, green disc 10")


def test_class_is_that_of_the_highest_mean_score():
    summary = TrackSummary(BlobModel(), None)
    for index, label in enumerate([1, 0, 1]):
        summary.add(*seen(index, [5], [label]))
    (line,) = summary.lines()
    assert line.endswith("1 track: green disc 1")


def test_hinted_threshold_is_below_the_best_score():
    """Rounded to two digits it could be above, and 0.00 said nothing."""
    model = BlobModel()
    model.predict = lambda images, *, min_score: [
        Instances(HW, torch.zeros(1, 4), torch.tensor([0.0049]), torch.zeros(1, dtype=torch.int64))
    ]
    summary = TrackSummary(model, None)
    summary.add(*seen(0, [], []))
    _, hint = summary.lines()
    assert "was 0.0049 (red disc): try --score-threshold 0.0044" in hint
