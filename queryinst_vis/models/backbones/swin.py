"""Swin Transformer (arXiv 2103.14030) as a four-level backbone, with the parameter names of its authors' detection code.

Takes images of any size, as theirs does: maps are padded with zeros at the right and the bottom, to whole windows before
attention and to even sides before merging; and every second block shifts its windows, also where a map is not larger than one
window (torchvision's does not there).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import StochasticDepth

from queryinst_vis.registry import MODELS

_PATCH_SIZE = 4
_MLP_RATIO = 4
_APART = -100.0  # added to the attention between places that a shift brought together


@MODELS.register_module()
class Swin(nn.Module):
    """Stages of window attention, at strides 4, 8, ...; each map goes through a LayerNorm of its own. Tiny by default.

    drop_path: share of samples that skip the last block's branches in training; it grows linearly from 0 in the first.
    checkpointing: activations inside blocks are computed again in the backward pass instead of being kept.
    """

    def __init__(
        self,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        *,
        drop_path: float = 0.2,
        window_size: int = 7,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.channels = tuple(embed_dim * 2**i for i in range(len(depths)))
        self.strides = tuple(_PATCH_SIZE * 2**i for i in range(len(depths)))
        self._check(depths, num_heads, drop_path, window_size)
        self.checkpointing = checkpointing
        drops = iter(torch.linspace(0, drop_path, sum(depths), device="cpu").tolist())
        self.patch_embed = _PatchEmbed(embed_dim)
        self.layers = nn.ModuleList()
        for i, (depth, heads, dim) in enumerate(zip(depths, num_heads, self.channels, strict=True)):
            blocks = [_Block(dim, heads, window_size, is_shifted=j % 2 == 1, drop_path=next(drops)) for j in range(depth)]
            self.layers.append(_Stage(dim, blocks, merges=i + 1 < len(depths)))
            self.add_module(f"norm{i}", nn.LayerNorm(dim))
        self.apply(_initialise)

    def _check(self, depths: Sequence[int], num_heads: Sequence[int], drop_path: float, window_size: int) -> None:
        """ValueError for numbers that no Swin has."""
        if not depths or len(depths) != len(num_heads) or min(depths) < 1:
            raise ValueError(f"depths and num_heads must have one number for each stage, got {depths} and {num_heads}")
        if any(heads < 1 or dim % heads for dim, heads in zip(self.channels, num_heads, strict=True)):
            raise ValueError(f"num_heads {num_heads} do not divide the channels of the stages, {self.channels}")
        if not 0 <= drop_path < 1:
            raise ValueError(f"drop_path must be at least 0 and below 1, got {drop_path}")
        if window_size < 2:
            raise ValueError(f"window_size must be at least 2, got {window_size}")

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.patch_embed(images)  # [B, H, W, C] from here on
        features = []
        for i, stage in enumerate(self.layers):
            for block in stage.blocks:
                x = self._run(block, x)
            features.append(self.get_submodule(f"norm{i}")(x).permute(0, 3, 1, 2).contiguous())
            if stage.downsample is not None:
                x = stage.downsample(x)
        return features

    def _run(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(block, x, use_reentrant=False)
        return block(x)


class _PatchEmbed(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, _PATCH_SIZE, stride=_PATCH_SIZE)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, H / 4, W / 4, C], rounded up."""
        height, width = images.shape[-2:]
        images = F.pad(images, (0, -width % _PATCH_SIZE, 0, -height % _PATCH_SIZE))
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class _Stage(nn.Module):
    def __init__(self, dim: int, blocks: list["_Block"], *, merges: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = _PatchMerging(dim) if merges else None


class _PatchMerging(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> [B, H / 2, W / 2, 2 C], rounded up. Neighbours in the order (0, 0), (1, 0), (0, 1), (1, 1)."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        neighbours = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(neighbours, dim=-1)))


class _Block(nn.Module):
    def __init__(self, dim: int, num_heads: int, window_size: int, *, is_shifted: bool, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = _WindowAttention(dim, num_heads, window_size, is_shifted=is_shifted)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = _Mlp(dim)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class _Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, _MLP_RATIO * dim)
        self.fc2 = nn.Linear(_MLP_RATIO * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _WindowAttention(nn.Module):
    """Self-attention inside windows of w x w places, with a learned bias for each head and relative position."""

    relative_position_index: Tensor
    shift_mask: Tensor

    def __init__(self, dim: int, num_heads: int, window_size: int, *, is_shifted: bool) -> None:
        super().__init__()
        self.num_heads, self.window_size = num_heads, window_size
        self.shift = window_size // 2 if is_shifted else 0
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", _relative_position_index(window_size), persistent=False)
        self.register_buffer("shift_mask", _shift_mask(window_size, self.shift) if is_shifted else None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> the same."""
        size, (batch, height, width, dim) = self.window_size, x.shape
        x = F.pad(x, (0, 0, 0, -width % size, 0, -height % size))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        rows, columns = x.shape[1] // size, x.shape[2] // size
        x = x.view(batch, rows, size, columns, size, dim).transpose(2, 3).reshape(batch * rows * columns, size**2, dim)
        qkv = self.qkv(x).view(*x.shape[:2], 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # [windows, heads, w * w, head dim]
        bias = self._bias(batch, rows, columns).to(query.dtype)
        x = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = self.proj(x.transpose(1, 2).flatten(2))
        x = x.view(batch, rows, columns, size, size, dim).transpose(2, 3).reshape(batch, rows * size, columns * size, dim)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :height, :width]

    def _bias(self, batch: int, rows: int, columns: int) -> Tensor:
        """What is added to the attention [windows or 1, heads, w * w, w * w]."""
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)[None]
        if not self.shift:
            return bias
        row = (torch.arange(rows, device=bias.device) == rows - 1).long()
        column = (torch.arange(columns, device=bias.device) == columns - 1).long()
        kind = (2 * row[:, None] + column).flatten().repeat(batch)
        return (bias + self.shift_mask[:, None])[kind]


def _relative_position_index(size: int) -> Tensor:
    """Row of the bias table for each pair of places in a window, int64 [w * w, w * w]: (2 w - 1) * dy + dx, from 0."""
    place = torch.arange(size**2)
    y, x = place // size, place % size
    dy, dx = y[:, None] - y + size - 1, x[:, None] - x + size - 1
    return (2 * size - 1) * dy + dx


def _shift_mask(size: int, shift: int) -> Tensor:
    """0 or -100 [4, w * w, w * w] for windows inside, in the last column, in the last row, and in both (the corner).

    Only these hold places from opposite ends of the map. That is all there is of the reference's mask, which it makes for each
    window of each size of image.
    """
    place = torch.arange(size**2)
    from_top, from_left = place // size >= size - shift, place % size >= size - shift
    rows, columns = from_top[:, None] != from_top, from_left[:, None] != from_left
    apart = torch.stack([torch.zeros_like(rows), columns, rows, rows | columns])
    return apart * _APART


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
