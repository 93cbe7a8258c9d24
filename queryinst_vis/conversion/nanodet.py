"""NanoDet-m (github.com/RangiLyu/nanodet): the backbone, and the dense detector that starts the queries."""

from collections.abc import Collection, Mapping

from torch import Tensor


def speaks(names: Collection[str]) -> bool:
    return "head.0.predict.weight" in names and "neck.lateral_convs.0.weight" in names


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone under two names: a model may have one more for the detector alone (DenseQueries)."""
    return {
        **{name: tensor for name, tensor in tensors.items() if name.startswith("backbone.")},
        **{f"queries.{name}": tensor for name, tensor in tensors.items()},
    }
