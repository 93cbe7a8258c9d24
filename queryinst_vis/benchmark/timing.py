"""Seconds that repeat: medians, how far they spread, and on what machine they were taken."""

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds of several runs: the median, the quartiles around it, and how many there were."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """At least one."""
        values = sorted(seconds)
        low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        return cls(statistics.median(values), low, high, len(values))


class Stopwatch:
    """Seconds since the last mark, on a GPU when it has done what it was given. `seconds`: all of each name, in order."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self.start()

    def start(self) -> None:
        """Forget what came since the last mark."""
        self._synchronize()
        self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        """What came since the last mark belongs to this name."""
        self._synchronize()
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()


def repeated(run: Callable[[], Stopwatch], *, repeat: int, warmup: int) -> dict[str, Spread]:
    """Of each name that the runs mark, and of `total`, their sum."""
    for _ in range(warmup):
        run()
    runs = [run().seconds for _ in range(repeat)]
    return {name: Spread.of(each[name] for each in runs) for name in runs[0]} | {"total": total_of(runs)}


def total_of(runs: Sequence[dict[str, float]]) -> Spread:
    """Of the sums of all names in each run."""
    return Spread.of(sum(each.values()) for each in runs)


def peak_memory(device: torch.device) -> int:
    """Bytes: of a GPU what tensors took at most, else what this process took at most."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def machine(device: torch.device) -> dict[str, Any]:
    """What a number depends on, for the record."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}: {_processor()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Its name, as well as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
