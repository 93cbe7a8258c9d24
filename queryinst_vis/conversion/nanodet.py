"""NanoDet-m (github.com/RangiLyu/nanodet): the backbone, and the dense detector that starts the queries."""

from collections.abc import Collection

from torch import Tensor


def speaks(names: Collection[str]) -> bool:
    return "head.0.predict.weight" in names and "neck.lateral_convs.0.weight" in names


def translate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"queries.{name}" if name.startswith(("neck.", "head.")) else name: tensor for name, tensor in tensors.items()}
