"""Accelerated models give what the models gave."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from config_models import model_settings, narrow_model
from torch import Tensor, nn

from queryinst_vis.acceleration import PRECISIONS, accelerate
from queryinst_vis.acceleration.graph import fold_batch_norms, lower_residual_branches, pack_convolutions, traced
from queryinst_vis.acceleration.onednn import PackedConv2d, PackedLinear, available
from queryinst_vis.checkpoint import load_model
from queryinst_vis.errors import UserError
from queryinst_vis.models import QueryInst
from queryinst_vis.models.backbones.resnet import ResNet
from queryinst_vis.models.base import ImageModel, Preprocess
from queryinst_vis.models.query_stage import QueryStage, StageStart
from queryinst_vis.video import open_video

needs_onednn = pytest.mark.skipif(not available(), reason="needs oneDNN's operations of torch")
needs_bf16 = pytest.mark.skipif(not available(torch.bfloat16), reason="needs oneDNN with bfloat16")
CONFIGS = (
    "queryinst_nano_coco_mini",
    "queryinst_r50_36e_coco",
    "queryinst_r50_mask_flow_36e_coco",
    "queryinst_r50_separate_attention_36e_coco",
    "queryinst_swin_t_crop_36e_coco",
    "queryinst_vis_r50_12e_ytvis2019",
    "queryinst_vis_r50_roi_12e_ytvis2019",
    "queryinst_x101_32x4d_dcn_300q_crop_36e_coco",
)


def lively(model: QueryInst) -> QueryInst:
    """With statistics of batch norm and class biases as after a training."""
    torch.manual_seed(2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.7, 1.4)  # type: ignore[union-attr]
    for stage in model.stages:
        nn.init.normal_(stage.fc_cls.weight, std=0.3)  # type: ignore[arg-type, union-attr]
    return model.eval()


def frames(*sizes: tuple[int, int]) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.mark.parametrize("name", CONFIGS)
def test_it_computes_the_same(name: str) -> None:
    model = lively(narrow_model(model_settings(name))).double()
    batch = model.preprocess(frames((48, 96), (64, 64)))
    batch = replace(batch, tensor=batch.tensor.double())
    inputs = batch.tensor, batch.tensor.new_tensor(batch.sizes)
    expected = model.postprocess(model(*inputs), batch)  # with gradients: torchvision's RoIAlign
    accelerate(model)
    with torch.inference_mode():
        found = model.postprocess(model(*inputs), batch)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.labels, theirs.labels)
        torch.testing.assert_close(ours.boxes, theirs.boxes, atol=1e-4, rtol=1e-6)
        torch.testing.assert_close(ours.embeds, theirs.embeds, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.masks.probabilities, theirs.masks.probabilities, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_in_single_precision_too(name: str) -> None:
    model, images = lively(narrow_model(model_settings(name))), frames((48, 96), (64, 64))
    expected = model.predict(images)
    for ours, theirs in zip(accelerate(model).predict(images), expected, strict=True):
        torch.testing.assert_close(ours.boxes, theirs.boxes, atol=0.2, rtol=0.01)
        torch.testing.assert_close(ours.scores, theirs.scores, atol=0.01, rtol=0.01)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_the_default_model_finds_the_same_objects(precision: str, repo_root: Path) -> None:
    with open_video(repo_root / "demo" / "clip.mp4") as video:
        image = next(iter(video)).image
    (expected,) = load_model("default", device="cpu").predict([image], min_score=0.3)
    (found,) = accelerate(load_model("default", device="cpu"), precision=precision).predict([image], min_score=0.2)
    assert len(expected) > 1
    overlap = found.masks.iou(expected.masks) * (found.labels[:, None] == expected.labels)
    assert overlap.amax(0).min() > (0.99 if precision == "fp32" else 0.9)
    nearest = found.scores[overlap.argmax(0)]
    assert (nearest - expected.scores).abs().max() < (1e-4 if precision == "fp32" else 0.03)


@needs_bf16
@pytest.mark.parametrize("name", CONFIGS)
def test_results_of_bfloat16_are_single_precision(name: str) -> None:
    model = accelerate(lively(narrow_model(model_settings(name))), precision="bf16")
    (found,) = model.predict(frames((48, 96)))
    for tensor in (found.boxes, found.scores, found.class_scores, found.embeds, found.masks.probabilities):
        assert tensor.dtype == torch.float32
        assert tensor.isfinite().all()


@needs_onednn
def test_every_layer_is_packed_but_those_whose_weights_are_read() -> None:
    model = accelerate(lively(narrow_model(model_settings("queryinst_r50_36e_coco"))))
    plain = {name for name, module in model.named_modules() if type(module) in (nn.Conv2d, nn.Linear, nn.BatchNorm2d)}
    assert plain == {f"mask_heads.{stage}.logits" for stage in range(6)}
    assert any(isinstance(module, PackedLinear) for module in model.modules())


def test_the_weights_of_another_size_serve_this_one() -> None:
    model = lively(narrow_model(model_settings("queryinst_r50_36e_coco")))
    small, wide = frames((32, 32)), frames((40, 160))
    expected = model.predict(wide)[0]
    accelerate(model).predict(small)
    torch.testing.assert_close(model.predict(wide)[0].boxes, expected.boxes, atol=2e-3, rtol=1e-4)


def test_a_batch_gives_what_its_frames_give() -> None:
    model = accelerate(lively(narrow_model(model_settings("queryinst_nano_coco_mini"))))
    images = frames((64, 96), (64, 96), (64, 96))
    for together, alone in zip(model.predict(images), (model.predict([image])[0] for image in images), strict=True):
        torch.testing.assert_close(together.boxes, alone.boxes, atol=1e-3, rtol=1e-4)
        assert torch.equal(together.labels, alone.labels)


@pytest.mark.parametrize("precision", ["fp64", "int8", ""])
def test_unknown_precisions(precision: str) -> None:
    with pytest.raises(UserError, match=f"one of {', '.join(PRECISIONS)}; got '{precision}'"):
        accelerate(narrow_model(model_settings("queryinst_nano_coco_mini")), precision=precision)


def test_models_without_lower_precision_say_so() -> None:
    class Plain(ImageModel):
        def __init__(self) -> None:
            super().__init__(preprocess=Preprocess())
            self.layer = nn.Linear(2, 2)

    with pytest.raises(UserError, match="Plain runs in single precision only"):
        accelerate(Plain(), precision="bf16")


# The graph


class Residual(nn.Module):
    """Blocks as in a ResNet; `later` reads the input of the addition after it, so that it may not be overwritten."""

    def __init__(self, *, later: bool) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.second, self.relu = nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)
        self.later = later

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x))
        y = self.relu(self.second(x) + x)
        return y * x if self.later else y


@needs_onednn
@pytest.mark.parametrize("later", [False, True])
def test_additions_overwrite_only_what_nobody_reads(later: bool) -> None:
    network, x = lively_network(Residual(later=later)), torch.rand(2, 3, 6, 5)
    expected = network(x)
    graph = traced(network)
    fold_batch_norms(graph)
    pack_convolutions(graph)
    with torch.no_grad():
        torch.testing.assert_close(graph(x), expected, atol=1e-5, rtol=1e-5)
    fused = [node for node in graph.graph.nodes if node.op == "call_module" and len(node.args) == 2]
    assert len(fused) == (0 if later else 1)


@pytest.mark.parametrize("pack", [False, pytest.param(True, marks=needs_bf16)])
def test_residual_branches_are_lowered_and_the_stream_is_not(pack: bool) -> None:
    torch.manual_seed(0)
    network, x = ResNet(50).eval().requires_grad_(False), torch.randn(1, 3, 64, 64)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 0.5)  # type: ignore[arg-type]
    expected = network(x)
    graph = traced(network)
    fold_batch_norms(graph)
    lower_residual_branches(graph, torch.bfloat16)
    lowered = {name for name, module in graph.named_modules() if isinstance(module, nn.Conv2d) and module.weight.dtype != x.dtype}
    assert lowered == {name for name, module in graph.named_modules() if isinstance(module, nn.Conv2d) and ".conv" in name}
    if pack:
        pack_convolutions(graph)
    with torch.no_grad():
        found = graph(x)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        error = (ours - theirs).norm() / theirs.norm()
        assert 1e-6 < error < 0.01


def lively_network(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return network.eval().requires_grad_(False)


def test_a_convolution_that_is_used_twice_keeps_its_batch_norms() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.one, self.two = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.conv(self.one(self.conv(x))))

    network, x = lively_network(Twice()), torch.rand(1, 3, 4, 4)
    graph = traced(network)
    fold_batch_norms(graph)
    torch.testing.assert_close(graph(x), network(x))
    assert sum(isinstance(module, nn.BatchNorm2d) for module in graph.modules()) == 2


def test_code_that_cannot_be_followed_stays() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    assert traced(Branching()) is None


# The layers


@needs_onednn
@pytest.mark.parametrize("activation", [None, ("relu",), ("leaky_relu", 0.1)])
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"groups": 6}, {"dilation": 2}, {"bias": False}], ids=str)
def test_packed_convolutions(options: dict, activation: tuple | None) -> None:
    conv, x = nn.Conv2d(6, 6, 3, padding=1, **options).requires_grad_(False), torch.randn(2, 6, 9, 7)
    expected = conv(x)
    if activation:
        expected = nn.functional.leaky_relu(expected, 0.1 if len(activation) > 1 else 0.0)
    torch.testing.assert_close(PackedConv2d(conv, activation=activation)(x), expected, atol=1e-5, rtol=1e-5)


@needs_onednn
@pytest.mark.parametrize("activation", [None, ("relu",)])
def test_packed_convolutions_add(activation: tuple | None) -> None:
    conv, x, other = nn.Conv2d(3, 4, 1).requires_grad_(False), torch.randn(2, 3, 5, 5), torch.randn(2, 4, 5, 5)
    expected = conv(x) + other
    found = PackedConv2d(conv, activation=activation)(x, other)
    torch.testing.assert_close(found, expected.relu() if activation else expected, atol=1e-5, rtol=1e-5)


@needs_onednn
@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (300, 5), (2, 7, 5), (5, 3, 0, 5)])
def test_packed_linear_layers(shape: tuple[int, ...]) -> None:
    linear, x = nn.Linear(5, 3).requires_grad_(False), torch.randn(shape)
    torch.testing.assert_close(PackedLinear(linear)(x), linear(x), atol=1e-5, rtol=1e-5)


# What is the same for all images


@pytest.mark.parametrize(
    "name", ["queryinst_r50_36e_coco", "queryinst_r50_separate_attention_36e_coco", "queryinst_r50_mask_flow_36e_coco"]
)
def test_the_first_stage_starts_from_what_is_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = accelerate(lively(narrow_model(model_settings(name))))
    starts: list[int] = []
    start = QueryStage.start

    def counted(stage: QueryStage, *args: Any) -> StageStart:
        starts.append(list(model.stages).index(stage))
        return start(stage, *args)

    monkeypatch.setattr(QueryStage, "start", counted)
    model.predict(frames((48, 96), (64, 64)))
    assert starts == list(range(1, len(model.stages)))


def test_what_is_known_moves_with_the_model_and_is_not_saved() -> None:
    model = accelerate(lively(narrow_model(model_settings("queryinst_r50_36e_coco"))))
    assert model.known_start is not None
    assert not any(name.startswith("known") for name in model.state_dict())
    assert {part.dtype for part in model.double().known_start} == {torch.float64}


def test_queries_that_depend_on_the_image_know_nothing() -> None:
    assert accelerate(lively(narrow_model(model_settings("queryinst_nano_coco_mini")))).known_start is None
