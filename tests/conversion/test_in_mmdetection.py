"""What we write for mmdetection, in mmdetection 3.3.0 itself: it loads strictly, and sees the same objects."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conversion_models import BACKBONES
from golden import recipe

from queryinst_vis.conversion import from_our_names, to_our_names
from queryinst_vis.data.classes import COCO
from queryinst_vis.models import LearnedQueries, QueryInst
from queryinst_vis.structures import ImageBatch
from queryinst_vis.weights_file import write_checkpoint

SCRIPT = Path(__file__).with_name("in_mmdetection.py")
PACKAGES = ("mmdet==3.3.0", "mmcv-lite==2.1.0", "terminaltables", "shapely", "six")
HEIGHT, WIDTH = 160, 224  # the coarsest map is smaller than a window of Swin

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_mmdetection(tmp_path_factory: pytest.TempPathFactory, shared) -> Callable[..., None]:
    """Runs the script with mmdetection, which is installed into a folder of its own; skips where it cannot be fetched."""
    peer, packages = shared("peer/peer_stub.py").parent, tmp_path_factory.mktemp("mmdetection")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(packages), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot install mmdetection 3.3.0: {done.stderr.strip().splitlines()[-1:]}")

    def run(*arguments: object) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (packages, peer)))}
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    return run


def _model(backbone: str) -> QueryInst:
    """With the weights of the golden numbers, which keep all values in a sensible range."""
    model = QueryInst(BACKBONES[backbone](), LearnedQueries(20, 256), num_classes=80, num_stages=2, max_detections=20)
    theirs = from_our_names(model.state_dict(), "mmdet")
    values = {
        name: torch.from_numpy(recipe.weights(name, tuple(tensor.shape)))
        for name, tensor in theirs.items()
        if tensor.is_floating_point()
    }
    model.load_state_dict(to_our_names(values)[1], strict=False)
    return model.eval()


@pytest.mark.parametrize("backbone", ["resnet50", "resnext_dcn", "swin"])
def test_sees_the_same(backbone, run_mmdetection, tmp_path):
    model = _model(backbone)
    image = recipe.image(21, HEIGHT, WIDTH)
    np.save(tmp_path / "image.npy", image)
    write_checkpoint(tmp_path / "theirs.pth", from_our_names(model.state_dict(), "mmdet"), COCO)
    run_mmdetection(backbone, tmp_path / "theirs.pth", tmp_path / "image.npy", tmp_path / "seen.npz")
    theirs = np.load(tmp_path / "seen.npz")
    batch = ImageBatch(torch.from_numpy(image)[None], [(HEIGHT, WIDTH)], [(HEIGHT, WIDTH)])
    with torch.inference_mode():
        outputs = model(batch.tensor, batch.tensor.new_tensor(batch.sizes))
        (found,) = model.postprocess(outputs, batch)
    for i, level in enumerate(outputs.pyramid):
        np.testing.assert_allclose(level, theirs[f"fpn_{i}"], rtol=1e-4, atol=1e-4)
    assert theirs["scores"].std() > 1e-3
    np.testing.assert_allclose(found.scores, theirs["scores"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found.labels, theirs["labels"])
    np.testing.assert_allclose(found.boxes, theirs["boxes"], rtol=0, atol=2e-3)
    np.testing.assert_allclose(found.masks.areas(), theirs["mask_areas"], rtol=0, atol=2)
