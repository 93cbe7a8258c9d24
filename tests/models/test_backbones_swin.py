"""Swin: against torchvision where both agree, and at any size against attention over the whole map, place by place."""

import math
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from queryinst_vis.config import ConfigError, build
from queryinst_vis.models import Swin

SMALL: dict[str, Any] = {"embed_dim": 16, "depths": (2, 3), "num_heads": (2, 4)}


def small_swin(**options: Any) -> Swin:
    """With random numbers everywhere, the vectors too, so that every one of them matters."""
    torch.manual_seed(0)
    model = Swin(**SMALL, **options)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.normal_(std=1.0 if "bias_table" in name else 1 / math.sqrt(fan_in) if parameter.ndim > 1 else 0.3)
    return model.eval()


def pictures(count: int, height: int, width: int) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


# The reference by its definition


def normed(x: Tensor, norm: nn.Module) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias


def attention_over_the_map(x: Tensor, attention: nn.Module, window: int, shift: int) -> Tensor:
    """x [H, W, C]. Every place looks at every other one of the padded map; the window of the shifted map says what counts.

    Places are numbered as they lie after the shift: row 0 is row `shift` of the map, and the first rows come last.
    """
    height, width, dim = x.shape
    rows, columns = math.ceil(height / window) * window, math.ceil(width / window) * window
    padded = torch.zeros(rows, columns, dim)
    padded[:height, :width] = x
    y, column = (grid.flatten() for grid in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"))
    y, column = (y - shift) % rows, (column - shift) % columns  # after the shift
    is_same_window = (y[:, None] // window == y // window) & (column[:, None] // window == column // window)
    from_top, from_left = y >= rows - shift, column >= columns - shift  # were cut off and put behind the others
    is_apart = (from_top[:, None] != from_top) | (from_left[:, None] != from_left)
    query, key, value = attention.qkv(padded.flatten(0, 1)).view(rows * columns, 3, attention.num_heads, -1).permute(1, 2, 0, 3)
    dy, dx = y[:, None] - y, column[:, None] - column
    row_of_table = ((dy + window - 1) * (2 * window - 1) + dx + window - 1).clamp(0, (2 * window - 1) ** 2 - 1)
    logits = query @ key.transpose(1, 2) / math.sqrt(query.shape[2])
    logits = logits + attention.relative_position_bias_table[row_of_table].permute(2, 0, 1)
    logits = (logits - 100 * is_apart.float()).masked_fill(~is_same_window, -math.inf)
    mixed = (logits.softmax(-1) @ value).transpose(0, 1).reshape(rows, columns, dim)
    return attention.proj(mixed)[:height, :width]


def merged(x: Tensor, merging: nn.Module) -> Tensor:
    height, width, _ = x.shape
    result = []
    for i in range(0, height, 2):
        for j in range(0, width, 2):
            places = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)]
            four = torch.cat([x[p] if p[0] < height and p[1] < width else torch.zeros_like(x[0, 0]) for p in places])
            result.append(F.linear(normed(four, merging.norm), merging.reduction.weight))
    return torch.stack(result).view(math.ceil(height / 2), math.ceil(width / 2), -1)


def by_definition(model: Swin, image: Tensor, window: int) -> list[Tensor]:
    """image [3, H, W] -> maps [C, h, w]."""
    height, width = image.shape[1:]
    canvas = torch.zeros(3, math.ceil(height / 4) * 4, math.ceil(width / 4) * 4)
    canvas[:, :height, :width] = image
    patches = canvas.unfold(1, 4, 4).unfold(2, 4, 4).permute(1, 2, 0, 3, 4).flatten(2)
    x = normed(patches @ model.patch_embed.proj.weight.flatten(1).T + model.patch_embed.proj.bias, model.patch_embed.norm)
    maps = []
    for i, stage in enumerate(model.layers):
        for j, block in enumerate(stage.blocks):
            x = x + attention_over_the_map(normed(x, block.norm1), block.attn, window, j % 2 * (window // 2))
            hidden = block.mlp.fc1(normed(x, block.norm2))
            x = x + block.mlp.fc2(hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))))
        maps.append(normed(x, getattr(model, f"norm{i}")).permute(2, 0, 1))
        if stage.downsample is not None:
            x = merged(x, stage.downsample)
    return maps


@pytest.mark.parametrize("hw", [(50, 37), (1, 1), (3, 29), (28, 28), (29, 56), (64, 100), (56, 15)])
@pytest.mark.parametrize("window", [7, 4])
def test_equals_attention_over_the_whole_map(hw: tuple[int, int], window: int) -> None:
    model, images = small_swin(window_size=window), pictures(2, *hw)
    with torch.no_grad():
        maps = model(images)
        for i in range(2):
            for level, expected in zip(maps, by_definition(model, images[i], window), strict=True):
                torch.testing.assert_close(level[i], expected, atol=2e-5, rtol=1e-4)


# torchvision, which does not shift where a map fits into one window


def torchvision_name(name: str) -> str:
    """Ours to theirs: stages and mergings follow one another in one list."""
    name = re.sub(r"^patch_embed\.proj", "features.0.0", name)
    name = re.sub(r"^patch_embed\.norm", "features.0.2", name)
    name = re.sub(r"^layers\.(\d)\.blocks", lambda m: f"features.{2 * int(m[1]) + 1}", name)
    name = re.sub(r"^layers\.(\d)\.downsample", lambda m: f"features.{2 * int(m[1]) + 2}", name)
    return name.replace("mlp.fc1", "mlp.0").replace("mlp.fc2", "mlp.3")


@pytest.mark.parametrize("hw", [(64, 72), (76, 148), (117, 85)])
def test_equals_torchvision_where_maps_are_larger_than_a_window(hw: tuple[int, int]) -> None:
    ours = small_swin()
    theirs = torchvision.models.SwinTransformer([4, 4], 16, [2, 3], [2, 4], [7, 7], stochastic_depth_prob=0.0).eval()
    weights = {torchvision_name(name): tensor for name, tensor in ours.state_dict().items() if not name.startswith("norm")}
    report = theirs.load_state_dict({n: t.view_as(theirs.state_dict()[n]) for n, t in weights.items()}, strict=False)
    assert {n.rpartition(".")[0] for n in report.missing_keys if "index" not in n} == {"norm", "head"}
    x = images = pictures(2, *hw)
    x = F.pad(x, (0, -hw[1] % 4, 0, -hw[0] % 4))  # which torchvision leaves to its user
    with torch.no_grad():
        expected = []
        for index, part in enumerate(theirs.features):
            x = part(x)
            if index % 2:
                expected.append(getattr(ours, f"norm{index // 2}")(x).permute(0, 3, 1, 2))
        for level, same in zip(ours(images), expected, strict=True):
            torch.testing.assert_close(level, same, atol=2e-5, rtol=1e-4)


# Names, start, training


def test_names_are_those_of_the_authors_detection_code() -> None:
    block = [f"norm1.{k}" for k in ("weight", "bias")] + ["attn.relative_position_bias_table"]
    block += [f"{part}.{k}" for part in ("attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2") for k in ("weight", "bias")]
    names = {f"patch_embed.{part}.{k}" for part in ("proj", "norm") for k in ("weight", "bias")}
    for i, depth in enumerate((2, 2, 6, 2)):
        names |= {f"layers.{i}.blocks.{j}.{name}" for j in range(depth) for name in block}
        names |= {f"norm{i}.weight", f"norm{i}.bias"}
        names |= {f"layers.{i}.downsample.{n}" for n in ("reduction.weight", "norm.weight", "norm.bias") if i < 3}
    with torch.device("meta"):
        assert set(Swin().state_dict()) == names


def test_start() -> None:
    torch.manual_seed(0)
    model = Swin(embed_dim=48, depths=(1, 2), num_heads=(3, 6))
    for name, parameter in model.named_parameters():
        if name.startswith("patch_embed.proj"):
            continue
        if parameter.ndim > 1:
            expected = 0.02
            assert abs(parameter.std() - expected) < 0.1 * expected, name
            assert abs(parameter.mean()) < 0.1 * expected, name
        else:
            assert parameter.equal(torch.full_like(parameter, float("norm" in name and name.endswith("weight")))), name


def test_drop_path_grows_linearly_and_only_in_training() -> None:
    model = Swin(depths=(2, 2, 6, 2), embed_dim=8, num_heads=(1, 1, 1, 1), drop_path=0.22)
    rates = [block.drop_path.p for stage in model.layers for block in stage.blocks]
    assert rates == pytest.approx([0.02 * i for i in range(12)])
    images = pictures(1, 32, 32).expand(16, -1, -1, -1)
    model = small_swin(drop_path=0.5)
    with torch.no_grad():
        assert model(images)[-1].equal(small_swin(drop_path=0.0)(images)[-1])
        dropped = model.train()(images)[-1]
    assert len({tuple(row) for row in dropped.flatten(1)[:, :8].tolist()}) > 4  # each sample for itself


def test_drop_path_keeps_the_expected_branch() -> None:
    """A block gives x, or x and its branches divided by what share is kept."""
    torch.manual_seed(0)
    block = small_swin(drop_path=0.5).layers[1].blocks[2].train()  # the last: 0.5
    x = torch.randn(1, 5, 5, 32).expand(64, -1, -1, -1)
    with torch.no_grad():
        rows = block(x)
        attended = x[:1] + 2 * block.attn(block.norm1(x[:1]))
        ends = [y + scale * block.mlp(block.norm2(y)) for y in (x[:1], attended) for scale in (0, 2)]
    counts = [sum(torch.allclose(row, end[0], atol=1e-5) for row in rows) for end in ends]
    assert sum(counts) == 64
    assert min(counts) >= 6


def gradients(model: Swin, images: Tensor) -> tuple[dict[str, Tensor], int]:
    """Gradients by name, and how many bytes of activations the forward pass kept for them."""
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = sum(x.square().mean() for x in model(images))
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters()}, sum(kept.values())


def test_checkpointing_gives_equal_gradients_for_less_memory() -> None:
    images = pictures(4, 61, 90)
    plain, plain_bytes = gradients(small_swin(drop_path=0.4).train(), images)
    checkpointed, checkpointed_bytes = gradients(small_swin(drop_path=0.4, checkpointing=True).train(), images)
    for name, gradient in plain.items():
        assert gradient.equal(checkpointed[name]), name
    assert checkpointed_bytes < plain_bytes / 3


def test_nothing_of_one_size_of_image_is_left_for_the_next() -> None:
    """Nor of inference mode for training: masks made in it could not be used there."""
    model, images = small_swin(), pictures(1, 50, 37)
    with torch.no_grad():
        first = model(images)[-1]
    with torch.inference_mode():
        model(pictures(2, 90, 64))
    again = model(images)[-1]
    torch.testing.assert_close(again.detach(), first, atol=1e-5, rtol=1e-4)  # with gradients another kernel does the sums
    again.sum().backward()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depths": (2, 2, 6)}, "one number for each stage, got (2, 2, 6) and (3, 6, 12, 24)"),
        ({"depths": (2, 2, 0, 2)}, "one number for each stage"),
        ({"num_heads": (3, 6, 12, 25)}, "do not divide the channels of the stages, (96, 192, 384, 768)"),
        ({"drop_path": 1.0}, "drop_path must be at least 0 and below 1, got 1.0"),
        ({"window_size": 1}, "window_size must be at least 2, got 1"),
    ],
)
def test_says_what_is_wrong_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        build({"type": Swin, **options})
    assert said in str(error.value)
    assert "\n" not in str(error.value)
