"""20,000 frames through all of a job: memory, open files and threads stay what they were after the warm-up.

The figures are in docs/reliability.md; `pytest -m slow -s tests/test_soak.py` prints them.
"""

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from blobs import GREEN, RED, BlobModel, disc_image

from queryinst_vis.jobs.job import Job, Watcher, run_job
from queryinst_vis.results import read_result
from queryinst_vis.structures import Frame, Instances

FRAMES, WARM_UP, EVERY = 20_000, 2_000, 250
MOST_GROWTH = 20e6  # bytes
_ROWS, _LIFE = 4, 120  # discs at a time; frames that each is seen, on its way through its row


def world() -> Iterator[np.ndarray]:
    """Discs that come, cross the picture and go, so that tracks are born and end all the time; now and then nothing is there."""
    for index in range(FRAMES):
        if index % 997 > 960:
            yield disc_image()
            continue
        lives = [divmod(index + 31 * row, _LIFE) for row in range(_ROWS)]
        yield disc_image(
            *(
                (round(4 + age * 120 / _LIFE), 12 + 24 * row, 8, RED if (life + row) % 2 else GREEN)
                for row, (life, age) in enumerate(lives)
            )
        )


@dataclass
class Gauge(Watcher):
    """Looks at this process every so many frames: resident bytes, open files, threads."""

    samples: list[tuple[int, int, int]] = field(default_factory=list)
    num_frames: int = 0
    num_events: int = 0

    def frame(self, frame: Frame, instances: Instances) -> None:
        self.num_frames += 1
        is_near_end = self.num_frames > FRAMES - 100  # where the thread that reads ahead may be done
        if self.num_frames >= WARM_UP and self.num_frames % EVERY == 0 and not is_near_end:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
            self.samples.append((resident, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))))

    def event(self, event: object) -> None:
        self.num_events += 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("tracker", ["query_match", "memory_bank"])
def test_memory_files_and_threads_do_not_grow(tmp_path: Path, tracker: str):
    gauge = Gauge()
    results = tuple((kind, str(tmp_path / f"out.{kind}")) for kind in ("json", "jsonl", "csv"))
    job = Job(source=world(), fps=30, video=tmp_path / "out.mp4", results=results, events=True, tracker=tracker)
    begin = time.perf_counter()
    report = run_job(job, lambda: BlobModel().eval(), gauge)
    seconds = time.perf_counter() - begin
    resident, files, threads = (np.array(column) for column in zip(*gauge.samples, strict=True))
    growth = int(resident.max() - resident[0])
    print(
        f"\n{tracker}: {report.num_frames} frames in {seconds:.0f} s, {sum(report.tracks.values())} tracks, "
        f"{gauge.num_events} events; "
        f"resident {resident[0] / 1e6:.0f} MB after {WARM_UP} frames, at most {growth / 1e6:+.1f} MB later, "
        f"{(resident[-1] - resident[0]) / 1e6:+.1f} MB at the end; {files[0]} files, {threads[0]} threads"
    )
    assert (report.num_frames, report.problems) == (FRAMES, [])
    assert sum(report.tracks.values()) > 500
    assert gauge.num_events > 1000
    assert growth < MOST_GROWTH
    assert len(set(files.tolist())) == len(set(threads.tolist())) == 1
    assert sum(1 for _ in read_result(tmp_path / "out.json").frames) > 0.9 * FRAMES
