"""Weights of other code bases in our names, and ours in theirs.

A dialect is a module with `speaks(names)`, `translate(tensors)` and, where we write it, `translate_back(tensors)`; see DIALECTS
and WRITTEN. Most of it is one table of rules, read in both directions (rules.py).

Names that a dialect does not know stay as they are on the way in, so that the report of what was left over shows them; on the way
out they are an error.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from torch import Tensor

from queryinst_vis.conversion import detectron2, hustvl, microsoft, mmdet, nanodet, torchvision
from queryinst_vis.conversion.names import OUR_PARTS, summary, unwrap
from queryinst_vis.conversion.rules import ConversionError

__all__ = ["DIALECTS", "OUR_PARTS", "WRITTEN", "ConversionError", "from_our_names", "summary", "to_our_names"]

_Translate = Callable[[dict[str, Tensor]], dict[str, Tensor]]


class Dialect(NamedTuple):
    name: str
    speaks: Callable[[Collection[str]], bool]
    translate: _Translate


DIALECTS = (  # the first that matches is taken
    Dialect("hustvl QueryInst", hustvl.speaks, hustvl.translate),
    Dialect("mmdetection", mmdet.speaks, mmdet.translate),
    Dialect("detectron2 Sparse R-CNN", detectron2.speaks, detectron2.translate),
    Dialect("NanoDet", nanodet.speaks, nanodet.translate),
    Dialect("Microsoft Swin", microsoft.speaks, microsoft.translate),
    Dialect("torchvision backbone", torchvision.speaks, torchvision.translate),
    Dialect("queryinst_vis", lambda names: True, dict),
)
WRITTEN: dict[str, _Translate] = {"mmdet": mmdet.translate_back, "hustvl": hustvl.translate_back}


def to_our_names(tensors: dict[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """The dialect's name, and the tensors under our names; wrappers' prefixes are taken off."""
    tensors = unwrap(tensors)
    dialect = next(dialect for dialect in DIALECTS if dialect.speaks(tensors))
    return dialect.name, dialect.translate(tensors)


def from_our_names(tensors: dict[str, Tensor], dialect: str) -> dict[str, Tensor]:
    """Our tensors under the names of "mmdet" or "hustvl", with the buffers and biases that only they have.

    Raises ConversionError for another dialect, and for a model or a tensor that has no place there.
    """
    if dialect not in WRITTEN:
        raise ConversionError(f"weights are written for {' and '.join(WRITTEN)}, not for {dialect!r}")
    try:
        return WRITTEN[dialect](tensors)
    except ConversionError as error:
        raise ConversionError(f"{dialect} cannot hold this model: {error}") from error
    except (RuntimeError, TypeError, IndexError, KeyError) as error:  # nobody vouches for shapes in a file
        raise ConversionError(f"{dialect}: tensors are not those of a QueryInst ({error})") from error
