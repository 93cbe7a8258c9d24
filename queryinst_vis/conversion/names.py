"""Names of parameters: wrappers' prefixes, our own parts, and long lists of them in one line."""

import re
from collections.abc import Iterable

from torch import Tensor

OUR_PARTS = ("backbone.", "fpn.", "queries.", "stages.", "mask_heads.", "track_head.")
_WRAPPERS = ("module.", "model.", "_orig_mod.")  # DistributedDataParallel, our training model, torch.compile
_MAX_NAMES = 6


def unwrap(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same without the prefixes of wrappers, where every name has them."""
    for prefix in _WRAPPERS:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return unwrap({name.removeprefix(prefix): tensor for name, tensor in tensors.items()})
    return tensors


def summary(names: Iterable[str]) -> str:
    """Names with their numbers replaced by `*`, each pattern once, the first few of them."""
    patterns = list(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.)", "*", name) for name in names))
    more = f" and {len(patterns) - _MAX_NAMES} more kinds" if len(patterns) > _MAX_NAMES else ""
    return ", ".join(patterns[:_MAX_NAMES]) + more
