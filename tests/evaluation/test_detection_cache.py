"""Stored detections come back as they were."""

import pytest
import torch

from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.detection_cache import load_detections, save_detections
from queryinst_vis.masks import BitMasks, RoiMasks
from queryinst_vis.structures import Instances

MADE_BY = {"model": "default", "size": 320}


def some_masks(kind, boxes):
    if kind == "roi":
        return RoiMasks(torch.rand(2, 28, 28).half().float(), boxes, (48, 64))
    return BitMasks(torch.rand(2, 48, 64) > 0.5) if kind == "bit" else None


@pytest.mark.parametrize("kind", ["roi", "bit", "none"])
def test_round_trip(tmp_path, kind):
    boxes = torch.tensor([[1.0, 2.0, 30.0, 40.0], [5.0, 5.0, 60.0, 47.0]])
    found = Instances((48, 64), boxes, torch.tensor([0.9, 0.2]), torch.tensor([3, 0]), masks=some_masks(kind, boxes))
    found.embeds = torch.rand(2, 8)
    save_detections(tmp_path / "new" / "a.detections", MADE_BY, [(0.0, found), (0.1, Instances.empty((48, 64)))])
    (time, first), (_, second) = load_detections(tmp_path / "new" / "a.detections", MADE_BY)
    assert time == 0.0
    assert first.image_hw == (48, 64)
    for name in ("boxes", "scores", "labels", "embeds"):
        assert torch.equal(getattr(first, name), getattr(found, name))
    assert first.class_scores is None
    if kind == "none":
        assert first.masks is None
    else:
        assert first.masks.rles() == found.masks.rles()
    assert len(second) == 0


def test_detections_of_another_model_are_refused(tmp_path):
    save_detections(tmp_path / "a", MADE_BY, [])
    with pytest.raises(UserError, match="was made by"):
        load_detections(tmp_path / "a", {**MADE_BY, "size": 416})


@pytest.mark.parametrize("content", [b"", b"no detections", b"PK\x03\x04"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match="no stored detections"):
        load_detections(tmp_path / "a", MADE_BY)


def test_a_broken_off_run_leaves_no_file(tmp_path):
    def frames():
        yield 0.0, Instances.empty((48, 64))
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        save_detections(tmp_path / "a.detections", MADE_BY, frames())
    assert list(tmp_path.iterdir()) == []
