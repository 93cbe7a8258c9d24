"""How far a command is: a bar on terminals; elsewhere, in the log of a server say, a line every minute."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

LINE_SECONDS = 60.0


class Advance(Protocol):
    """Call it once per item."""

    def __call__(self) -> None: ...


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {task.fields['unit']}")


class _Note(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields["note"]())


@contextmanager
def progress_bar(
    title: str, total: int | None, *, unit: str = "fps", note: Callable[[], str] = str, is_quiet: bool = False
) -> Iterator[Advance]:
    """Progress on stderr through `total` items (None: unknown). unit: of the speed; note: what else there is to tell now."""
    console = Console(stderr=True)
    if is_quiet:
        yield lambda: None
    elif not console.is_terminal:
        yield _Lines(title, total, unit, note)
    else:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Speed())
        with Progress(*columns, TimeRemainingColumn(), _Note(), console=console, transient=True) as bar:
            task = bar.add_task(title, total=total, unit=unit, note=note)
            yield lambda: bar.advance(task)


class _Lines:
    """in.mp4: 300 of 1394, 5.2 fps, 3:30 left, 2 objects."""

    def __init__(self, title: str, total: int | None, unit: str, note: Callable[[], str]) -> None:
        self._title, self._total, self._unit, self._note = title, total, unit, note
        self._count = 0
        self._begun = self._last = time.monotonic()

    def __call__(self) -> None:
        self._count += 1
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            print(self._line(now - self._begun), file=sys.stderr, flush=True)

    def _line(self, seconds: float) -> str:
        rate = self._count / max(seconds, 1e-9)
        done = f"{self._count}" if self._total is None else f"{self._count} of {self._total}"
        left = "" if self._total is None else f"{duration((self._total - self._count) / rate)} left"
        return f"{self._title}: {', '.join(part for part in (done, f'{rate:.1f} {self._unit}', left, self._note()) if part)}"


def duration(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
