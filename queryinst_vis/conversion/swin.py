"""Swin Transformers of Microsoft (whose names are ours), mmdetection and torchvision.

Patch merging puts four neighbours into one vector: Microsoft and torchvision neighbour by neighbour, (row, column) (0, 0),
(1, 0), (0, 1), (1, 1); mmdetection channel by channel, neighbours row by row. So its linear layer and norm are reordered.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from queryinst_vis.conversion.rules import Rule, under

_BLOCK = (
    "norm1.*",
    "attn.relative_position_bias_table",
    "attn.qkv.*",
    "attn.proj.*",
    "norm2.*",
    "mlp.fc1.*",
    "mlp.fc2.*",
)
_MERGING = ("downsample.norm.*", "downsample.reduction.weight")
_MICROSOFT = (
    "patch_embed.proj.*",
    "patch_embed.norm.*",
    *(f"layers.#.blocks.#.{name}" for name in _BLOCK),
    *(f"layers.#.{name}" for name in _MERGING),
    "norm#.*",
)
_DERIVED = (".relative_position_index", ".attn_mask")  # follow from the window's size: we compute them
_TABLE = ".relative_position_bias_table"


def microsoft(prefix: str) -> list[Rule]:
    """prefix: what stands before `patch_embed` in their names."""
    return under(prefix, "backbone.", {name: name for name in _MICROSOFT})


def mmdetection() -> list[Rule]:
    block = {name: name.replace("attn.", "attn.w_msa.").replace("mlp.fc1", "ffn.layers.0.0").replace("mlp.fc2", "ffn.layers.1")
             for name in _BLOCK}  # fmt: skip
    return [
        Rule("backbone.patch_embed.projection.*", "backbone.patch_embed.proj.*"),
        Rule("backbone.patch_embed.norm.*", "backbone.patch_embed.norm.*"),
        *under("backbone.stages.#.blocks.#.", "backbone.layers.#.blocks.#.", {theirs: ours for ours, theirs in block.items()}),
        *(Rule(f"backbone.stages.#.{n}", f"backbone.layers.#.{n}", by_neighbours, by_channels) for n in _MERGING),
        Rule("backbone.norm#.*", "backbone.norm#.*"),
    ]


def torchvision() -> list[Rule]:
    """`features` holds patch embedding, blocks and merging of all stages in a row."""
    rules = [
        Rule("features.0.0.*", "backbone.patch_embed.proj.*"),
        Rule("features.0.2.*", "backbone.patch_embed.norm.*"),
    ]
    for stage in range(4):
        block = {name.replace("mlp.fc1", "mlp.0").replace("mlp.fc2", "mlp.3"): name for name in _BLOCK}
        rules += under(f"features.{2 * stage + 1}.#.", f"backbone.layers.{stage}.blocks.#.", block)
        merging = {name.removeprefix("downsample."): name for name in _MERGING}
        rules += under(f"features.{2 * stage + 2}.", f"backbone.layers.{stage}.", merging)
    return rules


def by_neighbours(tensor: Tensor) -> Tensor:
    """[..., 4 C] in mmdetection's order to Microsoft's; what has another shape stays for those who compare shapes."""
    if not tensor.ndim or tensor.shape[-1] % 4:
        return tensor
    channels_first = tensor.unflatten(-1, (-1, 4))[..., [0, 2, 1, 3]]
    return channels_first.transpose(-1, -2).flatten(-2)


def by_channels(tensor: Tensor) -> Tensor:
    """[..., 4 C] in Microsoft's order to mmdetection's."""
    neighbours_first = tensor.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]
    return neighbours_first.transpose(-1, -2).flatten(-2)


def without_derived(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without buffers that follow from the other tensors."""
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(_DERIVED)}


def with_indices(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the index of each table of position biases, as other code bases store it."""
    complete = {}
    for name, tensor in tensors.items():
        complete[name] = tensor
        if name.endswith(_TABLE):
            window = (round(len(tensor) ** 0.5) + 1) // 2  # a row for each of (2 w - 1)^2 offsets
            complete[name.removesuffix(_TABLE) + _DERIVED[0]] = _index(window)
    return complete


def _index(window: int) -> Tensor:
    """int64 [w * w, w * w]: for a pair of cells of a window the row of the table with their offset."""
    cells = torch.arange(window * window)
    row, column = cells // window, cells % window
    rows, columns = row[:, None] - row + window - 1, column[:, None] - column + window - 1
    return rows * (2 * window - 1) + columns
