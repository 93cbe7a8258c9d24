"""Compiled networks give what the networks give; where that cannot be, the networks run as they are and it is said once."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from config_models import model_settings, narrow_model
from torch import Tensor

from queryinst_vis.acceleration import accelerate
from queryinst_vis.acceleration.compiled import CompiledNetwork
from queryinst_vis.acceleration.onednn import PackedConv2d, available
from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.main import main
from queryinst_vis.errors import UserError
from queryinst_vis.exporting import ExportedModel, FileDescription
from queryinst_vis.masks import RoiMasks
from queryinst_vis.models import Preprocess, QueryInst
from queryinst_vis.models.base import ModelInfo
from queryinst_vis.structures import Instances
from queryinst_vis.video import open_video
from queryinst_vis.video.images import write_image


def network(x: Tensor) -> tuple[Tensor, list[Tensor]]:
    return x + 1, [x.argsort(), x * 2]


class Compiler:
    """Makes what the test says, by default what it is given, and counts how often that runs."""

    def __init__(self, made: Callable[..., Any] | None = None) -> None:
        self._made, self.calls = made, 0

    def __call__(self, source: Callable[..., Any]) -> Callable[..., Any]:
        def run(*inputs: Tensor) -> Any:
            self.calls += 1
            return (self._made or source)(*inputs)

        return run


def failing(*_: Tensor) -> Any:
    raise RuntimeError("no compiler\nand much more")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Our warnings; torch tells of its own, such as a missing GPU."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("queryinst_vis")]


def assert_right(ours: CompiledNetwork, *, size: int = 5) -> None:
    x = torch.rand(size)
    found, expected = ours(x), network(x)
    torch.testing.assert_close((found[0], *found[1]), (expected[0], *expected[1]), rtol=0, atol=0)


WRONG: dict[str, Callable[..., Any]] = {
    "it fails": failing,
    "other numbers": lambda x: (x + 1.1, [x.argsort(), x * 2]),
    "no numbers": lambda x: (x + torch.nan, [x.argsort(), x * 2]),
    "other shapes": lambda x: (x[1:] + 1, [x.argsort(), x * 2]),
    "other types": lambda x: (x + 1, [x.argsort().int(), x * 2]),
    "too few": lambda x: (x + 1, [x.argsort()]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_not_used(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    compiler = Compiler(WRONG[kind])
    ours = CompiledNetwork(network, compiler=compiler)
    assert_right(ours)
    assert_right(ours)
    assert compiler.calls == 1
    (line,) = said(caplog)
    assert "without being compiled" in line
    assert "\n" not in line


def test_it_may_fail_later(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = [network, network, failing]
    compiler = Compiler(lambda x: outcomes.pop(0)(x))
    ours = CompiledNetwork(network, compiler=compiler)
    for _ in range(4):
        assert_right(ours)
    assert compiler.calls == 3
    (line,) = said(caplog)
    assert line.endswith("(RuntimeError: no compiler)")


def test_the_network_itself_runs_once_for_each_size() -> None:
    itself, compiler = Compiler(), Compiler()
    ours = CompiledNetwork(itself(network), source=network, compiler=compiler)
    for size in (2, 3, 2, 3, 3):
        assert_right(ours, size=size)
    assert (itself.calls, compiler.calls) == (2, 5)


def test_sizes_beyond_the_limit_are_not_compiled(caplog: pytest.LogCaptureFixture) -> None:
    compiler = Compiler()
    ours = CompiledNetwork(network, compiler=compiler, capacity=2)
    for size in (2, 3, 4, 5, 3, 4):
        assert_right(ours, size=size)
    assert compiler.calls == 3
    assert not said(caplog)


def test_rounding_and_the_order_of_near_equals_are_no_mistakes() -> None:
    compiler = Compiler(lambda x: (x + 1e-6, torch.tensor([0, 2, 1])))
    ours = CompiledNetwork(lambda x: (x, torch.arange(3)), compiler=compiler)
    for _ in range(2):
        assert ours(torch.tensor([0.9, 0.5, 0.5]))[1].tolist() == [0, 2, 1]
    assert compiler.calls == 2


# Models


def frames(*sizes: tuple[int, int]) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def lively() -> QueryInst:
    settings = model_settings("queryinst_r50_36e_coco")
    model = narrow_model(settings | {"num_stages": 1, "backbone": settings["backbone"] | {"depth": 18}})
    torch.manual_seed(2)
    for stage in model.stages:
        torch.nn.init.normal_(stage.fc_cls.weight, std=0.3)
    return model


def assert_same(found: Instances, expected: Instances, *, atol: float = 1e-3) -> None:
    assert isinstance(found.masks, RoiMasks)
    assert isinstance(expected.masks, RoiMasks)
    assert torch.equal(found.labels, expected.labels)
    torch.testing.assert_close(found.boxes, expected.boxes, atol=atol, rtol=1e-3)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.embeds, expected.embeds, atol=atol, rtol=1e-3)
    torch.testing.assert_close(found.masks.probabilities, expected.masks.probabilities, atol=atol, rtol=1e-3)


def compile_by(compiler: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda source, **_: compiler(source))


def test_torch_follows_a_model(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compile_by(partial(torch.compile, dynamic=False, backend=keep), monkeypatch)
    images = frames((48, 96))
    expected = accelerate(lively()).predict(images)
    model = accelerate(lively(), compile=True)
    for _ in range(2):
        assert_same(model.predict(images)[0], expected[0])
    assert len(graphs) == 1
    assert not said(caplog)
    if available():
        assert any(isinstance(layer, PackedConv2d) for layer in model.mask_heads.modules())  # they run outside of it


def test_in_lower_precision(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    compiler = Compiler()
    compile_by(compiler, monkeypatch)
    model = accelerate(lively(), precision="bf16", compile=True)
    for _ in range(2):
        assert len(model.predict(frames((48, 96)))[0])
    assert compiler.calls == 2
    assert not said(caplog)


def test_a_model_that_cannot_be_compiled_still_runs(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    compile_by(Compiler(failing), monkeypatch)
    images = frames((48, 96))
    expected = accelerate(lively()).predict(images)
    assert_same(accelerate(lively(), compile=True).predict(images)[0], expected[0], atol=0)
    assert len(said(caplog)) == 1


def test_exported_models_are_not_compiled() -> None:
    exported = ExportedModel(failing, FileDescription(ModelInfo(), Preprocess()))
    with pytest.raises(UserError, match="no layers that could be compiled"):
        accelerate(exported, compile=True)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("track", ["--no-video", "--json", "tracks.json", "--max-frames", "2", "--size", "64"]),
        ("segment", ["--size", "64"]),
        ("benchmark", ["--size", "64", "96", "--repeat", "1"]),
    ],
)
def test_commands(command: str, options: list[str], repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler()
    compile_by(compiler, monkeypatch)
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png", frames((64, 96))[0])
    inputs = {"track": str(repo_root / "demo" / "clip.mp4"), "segment": "a.png", "benchmark": "default"}
    assert main([command, inputs[command], *options, "--device", "cpu", "--compile"]) == 0
    assert compiler.calls


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_default_model(repo_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_video(repo_root / "demo" / "clip.mp4", max_frames=6) as video:
        images = [frame.image for frame in video]
    model, other = accelerate(load_model("default", device="cpu"), compile=True), accelerate(load_model("default", device="cpu"))
    for image in images:
        (found,), (expected,) = model.predict([image], min_score=0.1), other.predict([image], min_score=0.1)
        assert len(expected)
        assert_same(found, expected, atol=0.02)
    assert not said(caplog)
