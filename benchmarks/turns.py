"""Functions timed in turns, so that what the machine does beside concerns all of them alike."""

import argparse
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


def network_parser(description: str | None, *, height: int = 360, width: int = 640) -> argparse.ArgumentParser:
    """The options of every script that times a network: queries, the picture's size, turns, threads."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--height", type=int, default=height)
    parser.add_argument("--width", type=int, default=width)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    return parser
