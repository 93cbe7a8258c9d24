"""Networks as torch.compile makes them: many small operations become few. What cannot be compiled runs as it always did.

A network is compiled in the first call with inputs of a size, which takes minutes, and what it gives then is compared with what
the network itself gives.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

_LOG = logging.getLogger(__name__)
_TOLERANCE = 0.02  # of a tensor's norm; compiled code rounds in other places, in bfloat16 too
_CAPACITY = 4  # sizes; a video has one, a folder of pictures may have hundreds

Network = Callable[..., Any]


class CompiledNetwork:
    """A function of tensors, compiled for the first `capacity` shapes that it is called with; other shapes run as they are.

    network: gives tensors, in tuples or lists. compiler: makes the compiled function of it, or of `source`, which computes the
    same and can be compiled; by default torch.compile. Where compiling fails, or what comes of it fails or gives something else,
    the network itself runs from then on.
    """

    def __init__(
        self,
        network: Network,
        *,
        source: Network | None = None,
        capacity: int = _CAPACITY,
        compiler: Callable[[Network], Network] | None = None,
    ) -> None:
        self._network, self._capacity = network, capacity
        compiler = compiler or partial(torch.compile, dynamic=False)
        self._compiled: Network | None = compiler(source or network)
        self._checked: set[Hashable] = set()

    def __call__(self, *inputs: Tensor) -> Any:
        shapes = tuple((tuple(tensor.shape), tensor.dtype) for tensor in inputs)
        is_new = shapes not in self._checked
        if self._compiled is None or (is_new and len(self._checked) >= self._capacity):
            return self._network(*inputs)
        try:
            found = self._compiled(*inputs)
        except Exception as error:  # of any kind: of the compilers behind torch's own, or of what they made
            return self._uncompiled(inputs, f"{type(error).__name__}: {error}")
        if not is_new:
            return found
        expected = self._network(*inputs)
        if not _are_close(found, expected):
            return self._uncompiled(inputs, "what the compiled one gives differs")
        self._checked.add(shapes)
        return found

    def _uncompiled(self, inputs: tuple[Tensor, ...], why: str) -> Any:
        _LOG.warning("the network runs without being compiled (%s)", why.partition("\n")[0])
        self._compiled = None
        return self._network(*inputs)


def _are_close(found: Any, expected: Any) -> bool:
    """Whether two structures hold the same tensors but for rounding and for the order of numbers.

    Rounding decides which of two queries of nearly the same score comes first.
    """
    ours, theirs = list(_tensors(found)), list(_tensors(expected))
    return len(ours) == len(theirs) and all(map(_is_close, ours, theirs))


def _is_close(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    ours, theirs = (tensor.float().flatten().sort().values for tensor in (found, expected))
    return bool((ours - theirs).norm() <= _TOLERANCE * theirs.norm())  # what is not a number is not close


def _tensors(structure: Any) -> Iterator[Tensor]:
    if isinstance(structure, Tensor):
        yield structure
    else:
        for part in structure:
            yield from _tensors(part)
