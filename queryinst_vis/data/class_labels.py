"""From the categories of an annotation file to labels: positions in a list of class names."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from queryinst_vis.data.json_tables import DatasetError, Rows

_MAX_NAMES = 20


def class_names(names: Sequence[str]) -> tuple[str, ...]:
    """The same names, checked: a list of different texts, else DatasetError."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise DatasetError(f"classes must be a list of different names, got {names!r}")
    return tuple(names)


def category_names(categories: Iterable[dict[str, Any]], *, name: str) -> tuple[str, ...]:
    """The names in a file, by increasing id. `name` stands for the file. DatasetError: two are called the same."""
    names = [category["name"] for category in sorted(categories, key=lambda category: category["id"])]
    for twice in (other for position, other in enumerate(names) if other in names[:position]):
        raise DatasetError(f"{name}: two categories are called {twice!r}")
    return tuple(names)


def labels_by_category(
    categories: Rows, classes: Sequence[str], *, required: Sequence[str], name: str, remedy: str = ""
) -> dict[int, int]:
    """Category id -> label, of the categories that are among the classes. DatasetError: a required class is no category."""
    names = {category["name"] for category in categories}
    missing = [wanted for wanted in required if wanted not in names]
    if missing and len(missing) == len(required):
        raise DatasetError(f"{name}: has none of the classes {_few(required)}; its categories are {_few(sorted(names))}")
    if missing:
        raise DatasetError(f"{name}: has no category {missing[0]!r}, only {sorted(names)}{remedy}")
    return {c["id"]: list(classes).index(c["name"]) for c in categories if c["name"] in classes}


def _few(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _MAX_NAMES else ""
    return (", ".join(map(repr, names[:_MAX_NAMES])) or "none") + more


def annotated_flags(names: Sequence[str] | None, classes: tuple[str, ...]) -> Tensor | None:
    """bool [C], the classes that were labelled, or None when all were. DatasetError: one is not among the classes."""
    if names is None:
        return None
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise DatasetError(f"annotated class {unknown[0]!r} is not among the classes {list(classes)}")
    return torch.tensor([name in names for name in classes])
