"""Functions timed in turns, so that what the machine does beside concerns all of them alike."""

import statistics
import time
from collections.abc import Callable


def medians(
    functions: dict[str, Callable[[], object]], *, repeat: int, warmup: int = 2, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each."""
    for _ in range(warmup):
        for function in functions.values():
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeat):
        for name, function in functions.items():
            begun = clock()
            function()
            seconds[name].append(clock() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


def show(times: dict[str, float], *, reference: str) -> None:
    """A line for each: seconds, and how many times as fast as the reference."""
    for name, value in times.items():
        print(f"{name:32}{1000 * value:10.1f} ms{times[reference] / value:8.2f} x")
