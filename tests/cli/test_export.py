"""Weights handed on: half the size, the same detections, a threshold of their own."""

import numpy as np
import pytest

from queryinst_vis import load_model
from queryinst_vis.checkpoint import save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.config import build
from queryinst_vis.models import DenseQueries, Preprocess, QueryInst, ShuffleNetV2


@pytest.fixture
def weights(tmp_path):
    sizes = {"num_stages": 1, "embed_dim": 16, "num_heads": 2, "ffn_dim": 16, "dynamic_dim": 4, "num_mask_convs": 1}
    model = build(
        {
            "type": QueryInst,
            "backbone": {"type": ShuffleNetV2},
            "queries": {"type": DenseQueries, "num_queries": 5, "embed_dim": 16, "num_classes": 3},
            "num_classes": 3,
            "preprocess": {"type": Preprocess, "short": 64, "long": 64},
            **sizes,
        }
    )
    model.info.classes = ("cat", "dog", "cup")
    save_weights(model, tmp_path / "full.safetensors")
    return tmp_path / "full.safetensors"


def test_half_precision_and_threshold(weights, tmp_path, capsys) -> None:
    out = tmp_path / "half.safetensors"
    assert main(["export", str(weights), str(out), "--half", "--score-threshold", "0.45"]) == 0
    assert "wrote" in capsys.readouterr().out
    assert out.stat().st_size < 0.6 * weights.stat().st_size
    full, half = load_model(weights, device="cpu"), load_model(out, device="cpu")
    assert (half.info.classes, half.info.score_threshold) == (("cat", "dog", "cup"), 0.45)
    image = np.random.RandomState(0).randint(0, 256, (48, 64, 3), dtype=np.uint8)
    (a,), (b,) = full.predict([image]), half.predict([image])
    np.testing.assert_allclose(a.scores, b.scores, atol=2e-2)


def test_nothing_is_overwritten_unasked(weights, tmp_path, capsys) -> None:
    assert main(["export", str(weights), str(weights)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_name_that_could_not_be_opened_again(weights, tmp_path, capsys) -> None:
    assert main(["export", str(weights), str(tmp_path / "out.pth")]) == 2
    assert "must end in .safetensors" in capsys.readouterr().err
    assert not (tmp_path / "out.pth").exists()
