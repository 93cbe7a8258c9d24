"""What every backbone promises, and how many parameters the large ones have."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from queryinst_vis.config import ConfigError, build, build_from_json
from queryinst_vis.models import LearnedQueries, QueryInst, ResNet, ShuffleNetV2, Swin, TimmBackbone

DCN = (False, True, True, True)
SWIN = {"type": Swin, "embed_dim": 16, "depths": (1, 2, 2, 2), "num_heads": (1, 2, 4, 8), "drop_path": 0.0}
SMALL: dict[str, dict[str, Any]] = {
    "resnet18": {"type": ResNet, "depth": 18},
    "resnet18-dcn": {"type": ResNet, "depth": 18, "deformable": DCN},
    "resnet18-unfrozen": {"type": ResNet, "depth": 18, "frozen_stages": 0},
    "resnext50-32x4d-dcn": {"type": ResNet, "depth": 50, "groups": 32, "width_per_group": 4, "deformable": DCN},
    "shufflenet": {"type": ShuffleNetV2},
    "shufflenet-frozen": {"type": ShuffleNetV2, "frozen": True},
    "swin": SWIN,
    "swin-checkpointing": SWIN | {"window_size": 4, "checkpointing": True},
    "timm-resnet": {"type": TimmBackbone, "name": "resnet10t"},
    "timm-convnext": {"type": TimmBackbone, "name": "convnext_atto"},
    "timm-channels-last": {"type": TimmBackbone, "name": "mambaout_femto"},
}
ANY_SIZE = [(64, 64), (32, 96), (50, 37), (1, 1), (95, 129)]


@pytest.fixture(params=SMALL)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param.startswith("timm"):
        pytest.importorskip("timm")
    return SMALL[request.param]


@pytest.fixture
def backbone(config: dict[str, Any]) -> nn.Module:
    """With random weights; vectors that begin at zero are moved from there, as a zero hides whatever comes before it."""
    torch.manual_seed(0)
    backbone = build(config).eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.1 * (parameter.ndim == 1 and not parameter.any()))
    return backbone


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_maps_have_the_channels_and_strides_that_are_told(backbone: nn.Module) -> None:
    sizes = [hw for hw in ANY_SIZE if hw[0] % 32 == hw[1] % 32 == 0] if isinstance(backbone, TimmBackbone) else ANY_SIZE
    for height, width in sizes:
        with torch.inference_mode():
            maps = backbone(pictures(1, height, width))
        expected = [(1, c, -(-height // s), -(-width // s)) for c, s in zip(backbone.channels, backbone.strides, strict=True)]
        assert [tuple(x.shape) for x in maps] == expected
        assert all(x.isfinite().all() for x in maps)
    assert list(backbone.strides) == sorted(backbone.strides)


def test_a_batch_gives_what_its_images_give(backbone: nn.Module) -> None:
    images = pictures(3, 64, 96)
    with torch.inference_mode():
        together = backbone(images)
        for i in range(3):
            for level, alone in zip(together, backbone(images[i : i + 1]), strict=True):
                torch.testing.assert_close(level[i : i + 1], alone, atol=1e-4, rtol=1e-4)


def test_gradient_reaches_what_is_trained_and_nothing_else(backbone: nn.Module) -> None:
    maps = backbone.train()(pictures(2, 64, 96))
    trained = {name: p for name, p in backbone.named_parameters() if p.requires_grad}
    if trained:
        sum(x.square().mean() for x in maps).backward()
    assert [name for name, p in trained.items() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert [name for name, p in backbone.named_parameters() if not p.requires_grad and p.grad is not None] == []


def test_running_statistics_stay_as_they_are(backbone: nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.named_buffers()}
    norms = [m for m in backbone.train().modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    backbone(pictures(2, 64, 64))
    assert all(tensor.equal(before[name]) for name, tensor in backbone.named_buffers())


@pytest.mark.parametrize("stages", range(5))
def test_frozen_stages_of_a_resnet(stages: int) -> None:
    backbone = ResNet(50, deformable=(True, True, True, True), frozen_stages=stages)
    frozen = {name.partition(".")[0] for name, p in backbone.named_parameters() if not p.requires_grad}
    trained = {name.partition(".")[0] for name, p in backbone.named_parameters() if p.requires_grad}
    parts = ["layer1", "layer2", "layer3", "layer4"]
    assert frozen == ({"conv1", "bn1", *parts[:stages]} if stages else set())
    assert trained == {*parts[stages:], *(set() if stages else {"conv1", "bn1"})}


def test_meta_device_gives_the_same_names_and_shapes(config: dict[str, Any], backbone: nn.Module) -> None:
    with torch.device("meta"):
        planned = build(config)
    assert {tensor.device.type for tensor in planned.state_dict().values()} == {"meta"}
    assert {n: t.shape for n, t in planned.state_dict().items()} == {n: t.shape for n, t in backbone.state_dict().items()}
    assert (planned.channels, planned.strides) == (backbone.channels, backbone.strides)
    maps = planned.eval()(torch.empty(1, 3, 64, 96, device="meta"))
    assert [x.shape[1] for x in maps] == list(backbone.channels)


def test_bfloat16_autocast_is_close(backbone: nn.Module) -> None:
    images = pictures(1, 64, 96)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = backbone(images)
    with torch.no_grad():
        exact = backbone(images)
    for a, b in zip(rough, exact, strict=True):
        assert a.dtype in (torch.bfloat16, torch.float32)
        assert (a.float() - b).norm() < 0.03 * b.norm()


def test_gradient_reaches_everything_under_autocast(backbone: nn.Module) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        total = sum(x.float().square().mean() for x in backbone.train()(pictures(1, 64, 96)))
    if total.requires_grad:
        total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in backbone.parameters() if p.requires_grad)


def test_a_described_model_with_its_tensors_is_the_same(config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    sizes = {"num_stages": 1, "embed_dim": 16, "num_heads": 2, "ffn_dim": 16, "dynamic_dim": 4, "num_mask_convs": 1}
    queries = {"type": LearnedQueries, "num_queries": 5, "embed_dim": 16}
    model = build({"type": QueryInst, "backbone": config, "queries": queries, "num_classes": 3, **sizes}).eval()
    again = build_from_json(model.architecture).eval()
    again.load_state_dict(model.state_dict())
    with torch.inference_mode():
        for a, b in zip(model.backbone(pictures(1, 64, 64)), again.backbone(pictures(1, 64, 64)), strict=True):
            assert a.equal(b)


# ResNet and ResNeXt


def test_plain_networks_are_torchvisions() -> None:
    theirs = torchvision.models.resnext50_32x4d(weights=None).eval()
    ours = ResNet(50, groups=32, width_per_group=4).eval()
    assert list(ours.state_dict()) == [name for name in theirs.state_dict() if not name.startswith("fc.")]
    ours.load_state_dict(theirs.state_dict(), strict=False)
    x = images = pictures(1, 64, 64)
    with torch.inference_mode():
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            x = theirs.get_submodule(name)(x)
        assert ours(images)[-1].equal(x)


def test_deformable_stages_add_offsets_and_nothing_else() -> None:
    plain, deformable = (set(ResNet(50, deformable=d).state_dict()) for d in ((False,) * 4, (False, False, False, True)))
    assert plain <= deformable
    added = {f"layer4.{i}.conv2.conv_offset.{kind}" for i in range(3) for kind in ("weight", "bias")}
    assert deformable - plain == added


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 51}, "ResNet depth 51 is not one of (18, 34, 50, 101, 152)"),
        ({"depth": 50, "frozen_stages": 5}, "frozen_stages must be 0 to 4, got 5"),
        ({"depth": 18, "groups": 32}, "depth 18 has no bottlenecks"),
        ({"depth": 34, "width_per_group": 4}, "use 50, 101 or 152"),
        ({"depth": 50, "groups": 0}, "at least 1, got 0 and 64"),
        ({"depth": 50, "deformable": (True,)}, "each of 4 stages, got 1 values"),
    ],
)
def test_resnet_says_what_is_wrong_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        build({"type": ResNet, **options})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


# Numbers of parameters, from the architectures' numbers alone


def resnext_101(groups: int, width_per_group: int, *, deformable: bool) -> int:
    """Stem, then blocks of 1x1, grouped 3x3 and 1x1 convolutions, each with the two vectors of a batch norm."""
    total, channels = 3 * 64 * 7 * 7 + 2 * 64, 64
    for stage, blocks in enumerate((3, 4, 23, 3)):
        out = 256 * 2**stage
        width = groups * width_per_group * 2**stage
        for block in range(blocks):
            total += channels * width + 9 * width * width // groups + width * out + 2 * (2 * width + out)
            total += (channels * out + 2 * out) * (block == 0)
            total += 27 * (9 * width + 1) * (deformable and stage > 0)
            channels = out
    return total


def swin(dim: int, depths: tuple[int, ...], num_heads: tuple[int, ...], *, norms: int) -> int:
    """A block of dim d: four norm vectors, 3 d^2 + d^2 + 8 d^2 weights, 3 d + d + 5 d biases, 13 x 13 numbers for each head."""
    total = 4 * 4 * 3 * dim + dim + 2 * dim
    for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
        d = dim * 2**stage
        total += depth * (12 * d * d + (4 + 9) * d + 169 * heads)
        total += (8 * d * d + 2 * 4 * d) * (stage < 3)
        total += 2 * d * (stage >= 4 - norms)
    return total


SWIN_T = (96, (2, 2, 6, 2), (3, 6, 12, 24))
SWIN_L = (192, (2, 2, 18, 2), (6, 12, 24, 48))


def test_the_counts_by_hand_give_what_is_published_of_the_classifiers() -> None:
    models = torchvision.models
    published = models.ResNeXt101_64X4D_Weights.IMAGENET1K_V1.meta["num_params"]
    assert resnext_101(64, 4, deformable=False) + 2048 * 1000 + 1000 == published
    assert swin(*SWIN_T, norms=1) + 768 * 1000 + 1000 == models.Swin_T_Weights.IMAGENET1K_V1.meta["num_params"]


@pytest.mark.parametrize(
    ("make", "by_hand", "number"),
    [
        (lambda: ResNet(101, groups=32, width_per_group=4), resnext_101(32, 4, deformable=False), 42_128_704),
        (lambda: ResNet(101, groups=32, width_per_group=4, deformable=DCN), resnext_101(32, 4, deformable=True), 45_986_410),
        (lambda: ResNet(101, groups=64, width_per_group=4, deformable=DCN), resnext_101(64, 4, deformable=True), 89_120_874),
        (lambda: Swin(*SWIN_T), swin(*SWIN_T, norms=4), 27_520_698),
        (lambda: Swin(*SWIN_L, drop_path=0.3), swin(*SWIN_L, norms=4), 194_998_164),
    ],
    ids=["x101-32x4d", "x101-32x4d-dcn", "x101-64x4d-dcn", "swin-t", "swin-l"],
)
def test_large_backbones_have_the_parameters_counted_by_hand(make: Callable[[], nn.Module], by_hand: int, number: int) -> None:
    with torch.device("meta"):
        backbone = make()
    assert sum(p.numel() for p in backbone.parameters()) == by_hand == number
