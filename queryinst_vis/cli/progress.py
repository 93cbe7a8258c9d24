"""A progress bar with items per second, on terminals only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Advance(Protocol):
    """Call it once per item."""

    def __call__(self) -> None: ...


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {task.fields['unit']}")


@contextmanager
def progress_bar(title: str, total: int | None, *, unit: str = "fps") -> Iterator[Advance]:
    """A bar on stderr for `total` items (None: unknown); nothing is printed where stderr is no terminal. unit: of the speed."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, unit=unit)
        yield lambda: bar.advance(task)
