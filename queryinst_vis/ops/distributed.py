"""Sums over the processes of a distributed training; with one process each function is the identity.

A loss that is divided by `mean_over_ranks(count)` and whose gradient is then averaged over the processes (as
DistributedDataParallel does) is the loss of one process that holds the whole batch.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """Number of processes that train together, 1 without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_ranks(value: Tensor) -> Tensor:
    """The mean of a float tensor over all processes, without gradient. Every process must call it, in the same order."""
    value = value.detach().clone()
    if world_size() > 1:
        dist.all_reduce(value)
        value /= world_size()
    return value


def any_rank(flag: bool) -> bool:
    """Whether the flag is set in any process, the same answer in all. Every process must call it, in the same order."""
    if world_size() == 1:
        return flag
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    return mean_over_ranks(torch.tensor(float(flag), device=device)).item() > 0


@torch.no_grad()
def average_buffers(module: nn.Module) -> None:
    """Give the float buffers of a module (statistics of batch norm) their mean over all processes. Every process must call it."""
    if world_size() > 1:
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(mean_over_ranks(buffer))


def target_normalizer(count: Tensor) -> Tensor:
    """What a sum over the targets of this process is divided by. count: float scalar, the targets of this process.

    The number of targets over all processes, at least 1, divided by the number of processes. Clamping the mean at 1 instead would
    shrink the loss of a batch with fewer targets than processes.
    """
    return (mean_over_ranks(count) * world_size()).clamp(min=1) / world_size()
