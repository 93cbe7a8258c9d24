"""What became of every tensor when a file met a model, and why shapes differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from queryinst_vis.conversion import summary

Mismatches = Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]  # name -> (shape in the file, shape in the model)


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
            lines.append(f"  of another shape ({len(self.mismatched)}): {_shapes(self.mismatched)}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


class _Counts(NamedTuple):
    """Layers whose shapes differ because the file counts `theirs` of something and the model `ours`."""

    theirs: int
    ours: int
    names: tuple[str, ...]

    @property
    def layers(self) -> str:
        return summary(name.removesuffix(".weight").removesuffix(".bias") for name in self.names)


def explain_mismatch(source: str, mismatched: Mismatches) -> str:
    """One line: what file and model count differently, as far as that is why, and what to do."""
    classes, queries = _other_classes(mismatched), _other_queries(mismatched)
    if not classes and not queries:
        return f"{source}: shapes differ (allow_shape_mismatch keeps the model's own): {_shapes(mismatched)}"
    facts, remedies = [], []
    if classes:
        facts.append(f"knows {_number(classes.theirs, 'class')}, the model has {classes.ours}")
        remedies.append(f"starts the class layers fresh ({classes.layers})")
    if queries:
        facts.append(f"has {queries.theirs} initial queries, the model {queries.ours}")
        remedies.append(f"chooses {queries.ours} of them" if queries.ours < queries.theirs else "starts the queries fresh")
    known = {name for counts in (classes, queries) if counts for name in counts.names}
    others = {name: shapes for name, shapes in mismatched.items() if name not in known}
    return (
        f"{source} {'; it '.join(facts)}: take the config that it was trained with, or train on: allow_shape_mismatch=True "
        f"{' and '.join(remedies)}" + (f"; of another shape are also {_shapes(others)}" if others else "")
    )


def fresh_layers(mismatched: Mismatches) -> tuple[str, ...]:
    """A sentence for each kind of layers that start fresh because file and model count differently."""
    notes = []
    if classes := _other_classes(mismatched):
        counts = f"{classes.ours} instead of {_number(classes.theirs, 'class')}"
        notes.append(f"class layers start fresh, {counts}: {classes.layers}")
    if queries := _other_queries(mismatched):
        notes.append(f"initial queries start fresh, {queries.ours} instead of {queries.theirs}")
    return tuple(notes)


def _other_classes(mismatched: Mismatches) -> _Counts | None:
    """By the stages' class layers `fc_cls`; mask logits, one for each class, belong to them."""
    for name, (got, own) in mismatched.items():
        if name.endswith(".fc_cls.bias") and len(got) == len(own) == 1:
            names = _with_first_dimension(mismatched, got[0], own[0])
            return _Counts(got[0], own[0], tuple(name for name in names if not name.startswith("queries.")))
    return None


def _other_queries(mismatched: Mismatches) -> _Counts | None:
    """By the table of learned boxes."""
    got, own = mismatched.get("queries.boxes", ((), ()))
    if len(got) == len(own) == 2 and got[0] != own[0]:
        names = _with_first_dimension(mismatched, got[0], own[0])
        return _Counts(got[0], own[0], tuple(name for name in names if name.startswith("queries.")))
    return None


def _with_first_dimension(mismatched: Mismatches, theirs: int, ours: int) -> tuple[str, ...]:
    return tuple(n for n, (got, own) in mismatched.items() if got[:1] == (theirs,) and own[:1] == (ours,) and got[1:] == own[1:])


def _shapes(mismatched: Mismatches) -> str:
    return summary(f"{name} {list(got)} instead of {list(own)}" for name, (got, own) in mismatched.items())


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'es' * (count != 1)}"
