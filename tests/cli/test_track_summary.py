"""What `track` says at the end."""

import torch
from blobs import BlobModel, two_discs

from queryinst_vis.cli.track_summary import NearMisses, statistics_line, summary_line
from queryinst_vis.jobs.job import JobReport
from queryinst_vis.structures import Frame, Instances

HW = (96, 128)


def report(**changes) -> JobReport:
    values = {"num_frames": 20, "num_resumed": 0, "seconds": 2.0, "tracks": {}, "damage": [], "lost": [], "outputs": []}
    return JobReport(**values | {"statistics": {}, "is_stopped": False} | changes)


def test_frames_speed_and_tracks():
    line = summary_line(report(tracks={"red disc": 11, "green disc": 10}))
    assert line == "20 frames in 2.0 s (10.0 fps), 21 tracks: red disc 11, green disc 10"
    assert summary_line(report(num_frames=1, seconds=0.0, tracks={"dog": 1})).endswith("1 track: dog 1")


def test_speed_is_of_this_run():
    assert summary_line(report(num_resumed=15)) == "5 frames in 2.0 s (2.5 fps), after 15 of an earlier run, 0 tracks"


def test_statistics_of_a_live_source():
    assert statistics_line(report()) == ""
    assert statistics_line(report(statistics={"dropped": 3, "reconnects": 1})) == "dropped 3, reconnects 1"


def test_hinted_threshold_is_below_the_best_score():
    """Rounded to two digits it could be above, and 0.00 said nothing."""
    model = BlobModel()
    model.predict = lambda images, *, min_score: [
        Instances(HW, torch.zeros(1, 4), torch.tensor([0.0049]), torch.zeros(1, dtype=torch.int64))
    ]
    misses = NearMisses(model, None)
    misses.add(Frame(two_discs(0), 0, 0, 1), Instances.empty(HW))
    assert "was 0.0049 (red disc): try --score-threshold 0.0044" in misses.hint()
