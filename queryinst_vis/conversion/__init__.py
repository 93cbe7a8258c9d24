"""Weights of other code bases in our names. A dialect is a module with `speaks(names)` and `translate(tensors)`, see DIALECTS.

Names that a dialect does not know stay as they are, so that the report of what was left over shows them.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from torch import Tensor

from queryinst_vis.conversion import hustvl, mmdet, nanodet, torchvision

_WRAPPERS = ("module.", "model.", "_orig_mod.")  # DistributedDataParallel, our training model, torch.compile


class Dialect(NamedTuple):
    name: str
    speaks: Callable[[Collection[str]], bool]
    translate: Callable[[dict[str, Tensor]], dict[str, Tensor]]


DIALECTS = (  # the first that matches is taken
    Dialect("hustvl QueryInst", hustvl.speaks, hustvl.translate),
    Dialect("mmdetection", mmdet.speaks, mmdet.translate),
    Dialect("NanoDet", nanodet.speaks, nanodet.translate),
    Dialect("torchvision backbone", torchvision.speaks, torchvision.translate),
    Dialect("queryinst_vis", lambda names: True, dict),
)


def to_our_names(tensors: dict[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """The dialect's name, and the tensors under our names; wrappers' prefixes are taken off."""
    tensors = _unwrap(tensors)
    dialect = next(dialect for dialect in DIALECTS if dialect.speaks(tensors))
    return dialect.name, dialect.translate(tensors)


def _unwrap(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _WRAPPERS:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return _unwrap({name.removeprefix(prefix): tensor for name, tensor in tensors.items()})
    return tensors
