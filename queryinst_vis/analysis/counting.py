"""Counting what operations cost while a model runs on the meta device, where tensors have shapes and no memory.

torch's own formulas (torch.utils.flop_counter, two floating-point operations to a multiply-add) and those of torchvision's
operations that it lacks. What depends on values, which are not there, is answered with the most there can be.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import torch
import torchvision  # noqa: F401 (registers the operations named below)
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry
from torch.utils.hooks import RemovableHandle

_aten, _vision = torch.ops.aten, torch.ops.torchvision
_CORNERS = 4  # pixels that a bilinear sample is made of
OUTSIDE = "other"  # the part of what is computed before any part has run


def _roi_align(args: Sequence[Any], out: Tensor) -> int:
    """Bilinear samples. args: input, rois, scale, height, width, sampling_ratio, aligned."""
    samples = max(args[5], 1) ** 2  # 0 and less: as many as a bin has pixels, which only values tell
    return out.numel() * samples * _CORNERS


def _deform_conv(args: Sequence[Any], out: Tensor) -> int:
    """The convolution, and the bilinear samples it reads, each weighted by the mask. args: input, weight, ..."""
    images, weight = args[:2]
    kernel = weight.shape[2] * weight.shape[3]
    samples = out.numel() // out.shape[1] * images.shape[1] * kernel
    return out.numel() * weight[0].numel() + samples * (_CORNERS + 1)


def _embedding_bag(args: Sequence[Any], out: Sequence[Tensor]) -> int:
    """Weighted sums of rows, which RoI features are on a CPU. args: table, rows, ..."""
    return args[1].numel() * args[0].shape[1]


_POOLING: dict[Any, Callable[[Sequence[Any], Any], int]] = {
    _vision.roi_align: _roi_align,
    _aten._embedding_bag_forward_only: _embedding_bag,
}
_FORMULAS = {**_POOLING, _vision.deform_conv2d: _deform_conv}


def multiply_adds(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """Of one operation; 0 of those that only move or transform numbers one by one. func: an OpOverload."""
    packet = func._overloadpacket
    if packet in _FORMULAS:
        return _FORMULAS[packet](args, out)
    if packet in flop_registry:
        return flop_registry[packet](*args, **kwargs, out_val=out) // 2
    return 0


class CostMode(TorchDispatchMode):
    """While entered, counts multiply-adds and bytes of tensors that are made, by the part of the model that makes them.

    Parts are those of `parts_of`. What is done between two parts counts to the one that ran last, but RoI features to the next
    one, and tensors to the part that reads them. `multiply_adds` and `live_bytes` are by part; `peak_bytes` is the most that was
    alive at once of what was made since.
    """

    def __init__(self, model: nn.Module, *, existing: Iterable[Tensor]) -> None:
        """existing: tensors that count as nothing, like parameters."""
        super().__init__()
        self._model = model
        self._handles: list[RemovableHandle] = []
        self.multiply_adds: Counter[str] = Counter()
        self.live_bytes: Counter[str] = Counter()
        self.peak_bytes = 0
        self._existing = list(existing)  # kept, so that no other storage can take the place of theirs
        self._known = {_storage_key(tensor) for tensor in self._existing}
        self._part, self._depth = OUTSIDE, 0  # how many modules of the part are running
        self._for_next = 0  # multiply-adds of pooling RoI features
        self._unread: set[int] = set()  # storages of tensors made between parts
        self._owner: dict[int, tuple[str, int]] = {}  # storage -> part and bytes

    def __enter__(self) -> Self:
        self._had_fused_attention = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # torch's fused inference of it has no formula
        for name, part in parts_of(self._model).items():
            for module in part.modules():
                self._handles.append(module.register_forward_pre_hook(partial(self._begin, name)))
                self._handles.append(module.register_forward_hook(self._end))
        return super().__enter__()

    def __exit__(self, *exc_info: Any) -> None:
        super().__exit__(*exc_info)
        torch.backends.mha.set_fastpath_enabled(self._had_fused_attention)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.multiply_adds[self._part] += self._for_next  # that nobody has read
        self._for_next = 0

    def _begin(self, part: str, module: nn.Module, inputs: Any) -> None:
        self._part, self._depth = part, self._depth + 1
        self.multiply_adds[part] += self._for_next
        self._for_next = 0

    def _end(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        self._depth -= 1

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None) -> Any:
        args, kwargs = _on_meta(func, args, dict(kwargs or {}))
        answer = _ANSWERS.get(func._overloadpacket) if _has_meta(args) else None
        out = answer(func, args, kwargs) if answer else func(*args, **kwargs)
        count = multiply_adds(func, args, kwargs, out)
        if func._overloadpacket in _POOLING and not self._depth:
            self._for_next += count
        else:
            self.multiply_adds[self._part] += count
        if self._depth and self._unread:
            self._take_over({_storage_key(tensor) for tensor in _tensors((args, kwargs))} & self._unread)
        for tensor in _tensors(out):
            self._watch(tensor)
        return out

    def _watch(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known or key in self._owner:
            return
        self._owner[key] = self._part, storage.nbytes()
        self.live_bytes[self._part] += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, self.live_bytes.total())
        if not self._depth:
            self._unread.add(key)
        weakref.finalize(storage, self._forget, key)

    def _take_over(self, storages: set[int]) -> None:
        """The part that is running reads them."""
        self._unread -= storages
        for key in storages:
            part, num_bytes = self._owner[key]
            self.live_bytes[part] -= num_bytes
            self.live_bytes[self._part] += num_bytes
            self._owner[key] = self._part, num_bytes

    def _forget(self, key: int) -> None:
        part, num_bytes = self._owner.pop(key)
        self.live_bytes[part] -= num_bytes
        self._unread.discard(key)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage_key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _on_meta(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
    """The same without going to another device, and with small tensors of the CPU brought to those that have no values."""
    if not _has_meta((args, kwargs)):
        return args, kwargs
    if func._overloadpacket is _aten._to_copy:
        kwargs["device"] = torch.device("meta")
    return tree_map(lambda x: x.to("meta") if isinstance(x, Tensor) and not x.is_meta else x, (args, kwargs))


def _has_meta(arguments: Any) -> bool:
    return any(tensor.is_meta for tensor in _tensors(arguments))


# What depends on values: every test is passed, nothing is suppressed, all are different.


def _nonzero(func: Any, args: Sequence[Any], kwargs: Any) -> Tensor:
    (x,) = args
    return torch.empty((x.numel(), x.ndim), dtype=torch.int64, device="meta")


def _index(func: Any, args: Sequence[Any], kwargs: Any) -> Tensor:
    """Also index_put and its in-place form: flags become as many positions as there are flags."""
    x, indices, *rest = args
    positions: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype not in (torch.bool, torch.uint8):
            positions.append(index)
        else:
            positions += [torch.empty(index.numel(), dtype=torch.int64, device="meta")] * index.ndim
    return func(x, positions, *rest, **kwargs)


def _nms(func: Any, args: Sequence[Any], kwargs: Any) -> Tensor:
    return torch.empty(len(args[0]), dtype=torch.int64, device="meta")


def _unique(func: Any, args: Sequence[Any], kwargs: Any) -> tuple[Tensor, Tensor, Tensor]:
    flat = torch.empty(args[0].numel(), dtype=args[0].dtype, device="meta")
    return flat, torch.empty_like(args[0], dtype=torch.int64), torch.empty_like(flat, dtype=torch.int64)


def _scalar(func: Any, args: Sequence[Any], kwargs: Any) -> Any:
    return torch.ones((), dtype=args[0].dtype).item()


_ANSWERS: dict[Any, Callable[[Any, Sequence[Any], dict[str, Any]], Any]] = {
    _aten.nonzero: _nonzero,
    _aten.index: _index,
    _aten.index_put: _index,
    _aten.index_put_: _index,
    _vision.nms: _nms,
    _aten._unique2: _unique,
    _aten._local_scalar_dense: _scalar,
}


def parts_of(model: nn.Module) -> dict[str, nn.Module]:
    """The parts that are told apart: the model's own modules, and of its lists each item."""
    parts: dict[str, nn.Module] = {}
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            parts |= {f"{name}.{index}": item for index, item in enumerate(child)}
        else:
            parts[name] = child
    return parts
