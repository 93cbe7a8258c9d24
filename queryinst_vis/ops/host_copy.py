"""Many small tensors of a device to the host in one copy: each copy waits for the device, whatever its size."""

from collections.abc import Sequence

import torch
from torch import Tensor


def to_host(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same on the CPU, bit for bit; from a device they share one storage."""
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return list(tensors)
    return unpacked(packed(tensors).cpu(), tensors)


def packed(tensors: Sequence[Tensor]) -> Tensor:
    """The bytes of all, uint8 [N], those of long numbers first, so that each lies where a number of its length may."""
    return torch.cat([tensors[place].contiguous().reshape(-1).view(torch.uint8) for place in _order(tensors)])


def unpacked(data: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of the types and shapes of `like` that lie in what `packed` gave."""
    found: dict[int, Tensor] = {}
    begin = 0
    for place in _order(like):
        end = begin + like[place].nbytes
        found[place] = data[begin:end].view(like[place].dtype).view(like[place].shape)
        begin = end
    return [found[place] for place in range(len(like))]


def _order(tensors: Sequence[Tensor]) -> list[int]:
    return sorted(range(len(tensors)), key=lambda place: -tensors[place].itemsize)
