"""Counts of single operations against what they are by hand."""

import gc

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d, nms, roi_align

from queryinst_vis.analysis.counting import OUTSIDE, CostMode, parts_of
from queryinst_vis.models.layers import DynamicConv


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def count(function, model: nn.Module | None = None) -> CostMode:
    mode = CostMode(model or nn.Module(), existing=[])
    with torch.no_grad(), mode:
        function()
    return mode


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: meta(5, 7) @ meta(7, 11), 5 * 7 * 11),
        (lambda: F.linear(meta(2, 3, 7), meta(11, 7), meta(11)), 6 * 7 * 11),
        (lambda: torch.einsum("rdhw,rd->rhw", meta(5, 6, 7, 8), meta(5, 6)), 5 * 6 * 7 * 8),
        (lambda: F.conv2d(meta(2, 6, 9, 9), meta(4, 6, 3, 3), stride=2, padding=1), 2 * 5 * 5 * 4 * 6 * 9),
        (lambda: F.conv2d(meta(2, 6, 9, 9), meta(6, 2, 3, 3), padding=1, groups=3), 2 * 81 * 6 * 2 * 9),
        (lambda: F.conv_transpose2d(meta(2, 6, 5, 5), meta(6, 4, 2, 2), stride=2), 2 * 25 * 6 * 4 * 4),
        (lambda: F.scaled_dot_product_attention(meta(2, 4, 9, 8), meta(2, 4, 9, 8), meta(2, 4, 9, 8)), 2 * (2 * 4 * 9 * 9 * 8)),
        (lambda: roi_align(meta(1, 6, 9, 9), meta(5, 5), 7, 0.25, sampling_ratio=2, aligned=True), 5 * 6 * 49 * 4 * 4),
        (
            lambda: deform_conv2d(meta(2, 6, 9, 9), meta(2, 18, 9, 9), meta(4, 6, 3, 3), padding=1, mask=meta(2, 9, 9, 9)),
            2 * 81 * (4 * 6 * 9 + 6 * 9 * (4 + 1)),
        ),
        (
            lambda: F.embedding_bag(
                torch.zeros(5, 16).long(), torch.rand(9, 6), per_sample_weights=torch.rand(5, 16), mode="sum"
            ),
            480,
        ),
        (lambda: F.relu(meta(5, 7)) + 1, 0),
    ],
    ids=(
        "matmul linear einsum conv groups transposed attention roi_align deform_conv embedding_bag elementwise".split()  # noqa: SIM905
    ),
)
def test_multiply_adds(function, expected: int) -> None:
    assert count(function).multiply_adds.total() == expected


@pytest.mark.parametrize("num_queries", [1, 10, 100])
def test_multihead_attention(num_queries: int) -> None:
    """Twice the product of queries and keys over all heads, beside the four projections."""
    with torch.device("meta"):
        attention = nn.MultiheadAttention(256, 8, batch_first=True)
    x = meta(1, num_queries, 256)
    mode = count(lambda: attention(x, x, x, need_weights=False))
    assert mode.multiply_adds.total() == 4 * num_queries * 256 * 256 + 2 * num_queries * num_queries * 256


@pytest.mark.parametrize(("roi_size", "side"), [(7, 7), (None, 14)])
def test_dynamic_convolution(roi_size: int | None, side: int) -> None:
    with torch.device("meta"):
        layer = DynamicConv(256, 64, roi_size=roi_size)
    mode = count(lambda: layer(meta(3, 256), meta(3, 256, side, side)))
    generator, interaction = 256 * 2 * 256 * 64, 2 * side * side * 256 * 64
    projection = side * side * 256 * 256 if roi_size else 0
    assert mode.multiply_adds.total() == 3 * (generator + interaction + projection)


def test_what_depends_on_values_is_as_much_as_it_can_be() -> None:
    def everything() -> None:
        flags = meta(4, 5) > 0.5
        assert meta(4, 5, 3)[flags].shape == (20, 3)
        assert meta(2, 7)[:, meta(7) > 0].shape == (2, 7)
        assert torch.nonzero(flags).shape == (20, 2)
        assert nms(meta(9, 4), meta(9), 0.5).shape == (9,)
        values, inverse = torch.unique(meta(8, dtype=torch.int64), return_inverse=True)
        assert values.shape == inverse.shape == (8,)
        kept = torch.zeros_like(flags)
        kept[flags] = True
        assert kept.any()
        assert kept.cpu().is_meta
        assert (meta(4, 5) * torch.tensor([1.0, 2, 3, 4, 5])).is_meta

    count(everything)


def test_what_has_values_is_computed() -> None:
    def everything() -> None:
        assert torch.nonzero(torch.tensor([0, 3, 0])).tolist() == [[1]]
        assert torch.tensor([1.0, 2, 3])[torch.tensor([True, False, True])].tolist() == [1, 3]
        assert not torch.tensor([False]).any()
        assert torch.unique(torch.tensor([3, 3])).tolist() == [3]

    count(everything)


class _Two(nn.Module):
    """Two parts, one of them a list, and things between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(10, 20, bias=False)
        self.heads = nn.ModuleList([nn.Linear(20, 30, bias=False), nn.Linear(20, 40, bias=False)])

    def forward(self, x: Tensor, boxes: Tensor, maps: Tensor) -> Tensor:
        x = self.first(x)
        pooled = roi_align(maps, boxes, 1, sampling_ratio=1)[:, :, 0, 0]
        return self.heads[1](x + pooled) @ meta(40, 50)


def test_parts() -> None:
    with torch.device("meta"):
        model = _Two()
    assert list(parts_of(model)) == ["first", "heads.0", "heads.1"]
    mode = count(lambda: model(meta(3, 10), meta(3, 5), meta(1, 20, 8, 8)), model)
    assert dict(mode.multiply_adds) == {
        "first": 3 * 10 * 20,
        "heads.1": 3 * 20 * 4 + 3 * 20 * 40 + 3 * 40 * 50,
        OUTSIDE: 0,
    }
    assert not model.first._forward_hooks


def test_bytes() -> None:
    """Of tensors that are made, each storage once, until nobody has it any more."""
    mode = CostMode(nn.Module(), existing=[])
    with mode:
        a = meta(100)  # made in the mode
        b = a + 1
        view = b[:50].reshape(5, 10)
        b.add_(1)
        assert mode.peak_bytes == mode.live_bytes.total() == 800
        del a, b
        gc.collect()
        assert (mode.live_bytes.total(), view.shape) == (400, (5, 10))
        c = meta(10)
        assert (mode.live_bytes.total(), mode.peak_bytes) == (440, 800)
        del c, view
        assert mode.live_bytes.total() == 0


def test_peak_of_a_chain_is_its_widest_pair() -> None:
    with torch.device("meta"):
        model = nn.Sequential(*(nn.Conv2d(*channels, 1, bias=False) for channels in [(3, 8), (8, 32), (32, 16), (16, 4)]))
    image = meta(1, 3, 10, 10)
    mode = CostMode(model, existing=[*model.parameters(), image])
    with torch.no_grad(), mode:
        model(image)
    assert mode.peak_bytes == (32 + 16) * 100 * 4


def test_saved_for_the_backward_pass_is_what_autograd_says() -> None:
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.LayerNorm(6), nn.GELU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers).eval()
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        kept.append(tensor)
        return tensor

    kept: list[Tensor] = []
    image = torch.rand(2, 3, 10, 10)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(image).sum()
    for tensor in (*model.parameters(), *model.buffers(), image):
        saved.pop(tensor.untyped_storage()._cdata, None)

    model.to("meta")
    mode = CostMode(model, existing=[*model.parameters(), *model.buffers()])
    image = image.to("meta")
    with mode:
        total = model(image).sum()
        gc.collect()
        spare = mode.live_bytes.total() - total.untyped_storage().nbytes() - sum(saved.values())
    assert sum(saved.values()) > 12_000
    assert 0 <= spare <= 8 * 2 * 4  # the meta device's batch norm gives mean and deviation even where they are not needed
