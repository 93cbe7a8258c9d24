"""Without Ray."""

import sys
from pathlib import Path

import pytest
from blobs import BlobModel

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Job
from queryinst_vis.jobs.marked import MarkedJob
from queryinst_vis.jobs.on_ray import run_on_ray


def test_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "ray", None)
    job = MarkedJob("a", Job(source="a.mp4"), tmp_path)
    with pytest.raises(UserError, match=r"pip install queryinst-vis\[ray\]"):
        list(run_on_ray([job], BlobModel, num_actors=1))
