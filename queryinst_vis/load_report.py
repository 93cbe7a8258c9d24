"""What became of every tensor when a file met a model."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_MAX_NAMES = 6


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Names are ours. mismatched: name -> (shape in the file, shape in the model); left_over: in the file, not in the model.

    notes: how tensors were made to fit, a sentence each.
    """

    source: str
    dialect: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Every tensor of the model was in the file."""
        return not self.missing and not self.mismatched

    def __str__(self) -> str:
        total = len(self.matched) + len(self.missing) + len(self.mismatched)
        lines = [f"{self.source} ({self.dialect} names): {len(self.matched)} of the model's {total} tensors matched"]
        if self.missing:
            lines.append(f"  missing ({len(self.missing)}): {summary(self.missing)}")
        if self.left_over:
            lines.append(f"  left over ({len(self.left_over)}): {summary(self.left_over)}")
        if self.mismatched:
            lines.append(f"  of another shape ({len(self.mismatched)}): {self.mismatch_summary()}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def mismatch_summary(self) -> str:
        """One line: each kind of tensor whose shape differs, with both shapes."""
        return summary(f"{name} {list(got)} instead of {list(own)}" for name, (got, own) in self.mismatched.items())


def summary(names: Iterable[str]) -> str:
    """Names with their numbers replaced by `*`, each pattern once, the first few of them."""
    patterns = list(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.)", "*", name) for name in names))
    more = f" and {len(patterns) - _MAX_NAMES} more kinds" if len(patterns) > _MAX_NAMES else ""
    return ", ".join(patterns[:_MAX_NAMES]) + more
