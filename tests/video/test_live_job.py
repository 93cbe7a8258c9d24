"""A live stream through the whole way: model, tracker, files. What the tracker sees is fresh, and a dead camera stops nobody."""

import json
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import BlobModel, two_discs
from live_servers import StreamServer, number_of, numbered

from queryinst_vis.jobs.job import Job, Watcher, run_job
from queryinst_vis.structures import Frame, Instances


class SlowModel(BlobModel):
    """Takes 0.2 s for a picture."""

    def predict(self, images, *, min_score: float = 0.0) -> list[Instances]:
        time.sleep(0.2)
        return super().predict(images, min_score=min_score)


class Looker(Watcher):
    """Keeps how old frames were when they were done. Stops after so many."""

    def __init__(self, server: StreamServer, stop_after: int) -> None:
        self.ages: list[float] = []
        self._server, self._stop_after = server, stop_after

    def frame(self, frame: Frame, instances: Instances) -> None:
        self.ages.append(time.monotonic() - self._server.sent[number_of(frame.image)])

    def should_stop(self) -> bool:
        return len(self.ages) >= self._stop_after


@pytest.mark.parametrize("stride", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_slow_model_works_on_fresh_frames(stride: int):
    """Frames decoded ahead were five pictures of the model old."""
    with StreamServer("mjpeg") as server:
        looker = Looker(server, stop_after=8)
        report = run_job(Job(source=server.url, stride=stride), SlowModel, looker)
    assert report.num_frames == 8
    assert np.median(looker.ages) < 0.2 + 0.25
    assert report.statistics["dropped"] > 8


def test_files_of_a_stream_that_dropped_out(tmp_path: Path):
    def picture(number: int, hw: tuple[int, int]) -> np.ndarray:
        return np.maximum(numbered(number, hw), two_discs(number % 3))

    class Killer(Looker):
        def frame(self, frame: Frame, instances: Instances) -> None:
            self.ages.append(frame.time)
            if frame.index == 4:
                first.kill()
                second.append(StreamServer("mjpeg", port=first.port, picture=picture))

    second: list[StreamServer] = []
    with StreamServer("mjpeg", picture=picture) as first:
        job = Job(source=first.url, video=tmp_path / "a.mp4", results=(("jsonl", str(tmp_path / "a.jsonl")),))
        killer = Killer(first, stop_after=12)
        report = run_job(job, BlobModel, killer)
    second[0].kill()
    assert report.num_frames == 12
    assert report.statistics["reconnects"] == 1
    assert any("connected again" in line for line in report.problems)
    with av.open(str(tmp_path / "a.mp4")) as video:
        written = [frame.time for frame in video.decode(video=0)]
    assert written == pytest.approx(killer.ages, abs=0.002)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["time"] for line in lines if line["type"] == "frame"] == pytest.approx(killer.ages, abs=0.001)


def test_dead_camera_does_not_keep_a_job_from_stopping():
    class Impatient(Looker):
        def should_stop(self) -> bool:
            return wants_to_stop.is_set()

    wants_to_stop = threading.Event()
    with StreamServer("mjpeg", stall_after=10) as server:
        threading.Timer(0.9, wants_to_stop.set).start()
        begun = time.monotonic()
        report = run_job(Job(source=server.url), BlobModel, Impatient(server, stop_after=99))
    assert report.num_frames >= 1
    assert 0.8 < time.monotonic() - begun < 4
