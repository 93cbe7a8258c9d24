"""The table of `compare`: a row for each tracker, or why it could not take part."""

from collections.abc import Mapping, Sequence
from typing import Any

# Heading -> measure and how it is written; shares are shown in percent.
_COLUMNS = {
    "AP": ("AP", "percent"),
    "AP50": ("AP50", "percent"),
    "HOTA": ("HOTA", "percent"),
    "DetA": ("DetA", "percent"),
    "AssA": ("AssA", "percent"),
    "IDF1": ("IDF1", "percent"),
    "IDSW": ("IDSW", "count"),
    "Frag": ("Frag", "count"),
    "ids/object": ("ids_per_object", "ratio"),
    "ms/frame": ("ms_per_frame", "ratio"),
}


def format_table(rows: Mapping[str, Mapping[str, Any]], *, markdown: bool = False) -> str:
    """rows: measures of each tracker by name, or {"error": why there are none}."""
    cells = [["tracker", *_COLUMNS], *([name, *_cells(row)] for name, row in rows.items())]
    notes = [f"{name}: {row['error']}" for name, row in rows.items() if "error" in row]
    if markdown:
        head, *body = ("| " + " | ".join(line) + " |" for line in cells)
        return "\n".join([head, "|---" * len(cells[0]) + "|", *body, *([""] if notes else []), *notes])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join([*(_aligned(line, widths) for line in cells), *notes])


def _cells(row: Mapping[str, Any]) -> list[str]:
    return ["-" if "error" in row else _cell(row[name], kind) for name, kind in _COLUMNS.values()]


def _cell(value: float, kind: str) -> str:
    if value < 0:
        return "-"  # nothing to measure
    return {"percent": f"{100 * value:.1f}", "count": f"{value:.0f}", "ratio": f"{value:.2f}"}[kind]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    return "  ".join([first.strip().ljust(widths[0]), *others])
