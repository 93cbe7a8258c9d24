"""Swin against mmdetection 3.3.0's, through the names and the order of merged neighbours that conversion gives it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from mmdet_wheel import fetch_mmdet_wheel

from queryinst_vis.conversion import from_our_names
from queryinst_vis.models import Swin

SIZES = [(224, 224), (50, 37), (1, 1), (20, 300), (256, 416)]
PROGRAM = Path(__file__).with_name("mmdet_swin.py")


@pytest.mark.slow
def test_equals_mmdetection(tmp_path: Path) -> None:
    with zipfile.ZipFile(fetch_mmdet_wheel(tmp_path)) as archive:
        archive.extractall(tmp_path)
    torch.manual_seed(0)
    ours = Swin(drop_path=0.0).eval()
    with torch.no_grad():
        for parameter in ours.parameters():  # larger than at the start, or a wrong bias would not show
            parameter.add_(0.1 * torch.randn_like(parameter) if parameter.ndim == 1 else 0.05 * torch.randn_like(parameter))
    images = {f"{h}x{w}": torch.randn(2, 3, h, w) for h, w in SIZES}
    theirs = from_our_names({f"backbone.{name}": tensor for name, tensor in ours.state_dict().items()}, "mmdet")
    options = {"embed_dims": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24), "window_size": 7, "drop_path_rate": 0.0}
    state = {name.removeprefix("backbone."): tensor for name, tensor in theirs.items()}
    torch.save({"options": options, "state_dict": state, "images": images}, tmp_path / "in.pt")
    done = subprocess.run([sys.executable, str(PROGRAM), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = torch.load(tmp_path / "out.pt")
    for name, batch in images.items():
        with torch.no_grad():
            maps = ours(batch)
        for level, same in zip(maps, expected[name], strict=True):
            torch.testing.assert_close(level, same, atol=1e-4, rtol=1e-4)
