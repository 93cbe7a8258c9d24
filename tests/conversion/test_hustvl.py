"""The biases of the original's mask convolutions, folded into the running means."""

import json
from pathlib import Path

import torch
from torch import nn

from queryinst_vis.conversion import from_our_names, to_our_names
from queryinst_vis.models.mask_heads import MaskHead


class _Original(nn.Module):
    """The convolutions of a mask head as the original code has them: with bias, in front of batch norm."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.ModuleDict({"conv": nn.Conv2d(channels, channels, 3, padding=1), "bn": nn.BatchNorm2d(channels)})
            for _ in range(count)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.convs:
            x = layer["bn"](layer["conv"](x)).relu()
        return x


def _with_random_statistics(module: nn.Module) -> nn.Module:
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 1.0)
    return module.eval()


def test_folded_biases_give_the_same_maps():
    torch.manual_seed(0)
    original = _with_random_statistics(_Original(8, 2).double())
    head = MaskHead(3, embed_dim=8, dynamic_dim=2, num_convs=2).double().eval()
    prefix = "roi_head.mask_head.0."
    before = {prefix + name: tensor.clone() for name, tensor in original.state_dict().items()}
    dialect, ours = to_our_names(before)
    assert dialect == "hustvl QueryInst"
    assert ours.keys() == {f"mask_heads.0.{name}" for name in head.state_dict() if name.startswith("convs.")}
    head.load_state_dict({name.removeprefix("mask_heads.0."): tensor for name, tensor in ours.items()}, strict=False)
    x = torch.rand(2, 8, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        expected = original(x)
        torch.testing.assert_close(head.convs(x), expected, rtol=1e-12, atol=1e-12)
    assert expected.std() > 0
    for name, tensor in original.state_dict().items():
        assert torch.equal(tensor, before[prefix + name])  # the caller's tensors are left alone


def test_every_name_of_a_model():
    """The original has one bias more than mmdetection for each mask convolution, and nothing is left of them."""
    path = Path(__file__).parents[1] / "golden" / "queryinst_small.json"
    state = {name: torch.zeros(shape) for name, shape in json.loads(path.read_text())["state_dict"].items()}
    biases = {f"roi_head.mask_head.{s}.convs.{k}.conv.bias": torch.ones(64) for s in range(3) for k in range(4)}
    _, ours = to_our_names(state | biases)
    assert ours.keys() == to_our_names(state)[1].keys()
    assert all((ours[f"mask_heads.{s}.convs.{k}.1.running_mean"] == -1).all() for s in range(3) for k in range(4))


def test_bias_without_batch_norm_is_left_over():
    _, ours = to_our_names({"roi_head.mask_head.0.convs.0.conv.bias": torch.zeros(2)})
    assert list(ours) == ["mask_heads.0.convs.0.0.bias"]


def test_way_back_computes_the_same():
    """A bias of zero: their model gives the maps that ours gives."""
    head = _with_random_statistics(MaskHead(3, embed_dim=8, dynamic_dim=2, num_convs=2).double())
    state = {f"mask_heads.0.{name}": tensor for name, tensor in head.state_dict().items()}
    state |= {"stages.0.fc_cls.bias": torch.zeros(3)}
    theirs = from_our_names(state, "hustvl")
    original = _Original(8, 2).double().eval()
    prefix = "roi_head.mask_head.0."
    original.load_state_dict({n.removeprefix(prefix): t for n, t in theirs.items() if n.startswith(f"{prefix}convs.")})
    x = torch.rand(2, 8, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(original(x), head.convs(x))
    assert all(theirs[f"{prefix}convs.{k}.conv.bias"].dtype == torch.float64 for k in range(2))


def test_bias_of_another_shape_is_left_over():
    state = {
        "roi_head.mask_head.0.convs.0.conv.bias": torch.zeros(2),
        "roi_head.mask_head.0.convs.0.bn.running_mean": torch.zeros(3),
    }
    assert to_our_names(state)[1].keys() == {"mask_heads.0.convs.0.0.bias", "mask_heads.0.convs.0.1.running_mean"}
