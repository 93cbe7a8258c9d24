"""`stats ANNOTATIONS.json`: how many videos, objects and masks of which category and size."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("annotations", type=Path, metavar="ANNOTATIONS.json", help="YouTube-VIS JSON")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write the numbers here")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.data.ytvis_json import read_ytvis
    from queryinst_vis.data.ytvis_stats import ytvis_stats
    from queryinst_vis.outputs import check_new_file, write_whole

    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[args.annotations])
    stats = ytvis_stats(read_ytvis(args.annotations), name=str(args.annotations))
    if args.json:
        write_whole({args.json: json.dumps(stats, indent=1) + "\n"})
    print("\n\n".join(_sections(stats)))
    return 0


def _sections(stats: Mapping[str, Any]) -> list[str]:
    counts = [
        ("videos", stats["videos"]),
        ("frames", stats["frames"]),
        ("objects", stats["objects"]),
        ("  shown in frames", stats["shown"]),
        ("  of them a box without a mask", stats["boxes_only"]),
        ("  not shown (null)", stats["nulls"]),
        ("  returns", stats["returns"]),
        ("  never shown", stats["never_shown"]),
        ("crowd regions", stats["crowd"]),
    ]
    spreads = [(name, *stats[key].values()) for key, name in _SPREADS.items() if stats[key]]
    areas = [(f"{name} ({limits})", stats["areas"][name]) for name, limits in _AREAS.items()]
    categories = [tuple(row.values()) for row in stats["categories"]]
    return [
        _table(("", "count"), counts),
        _table(("", "min", "median", "mean", "max"), spreads),
        _table(("size of video", "videos"), list(stats["sizes"].items())),
        _table(("objects in a frame", "frames"), list(stats["objects_per_frame"].items())),
        _table(("objects in a video", "videos"), list(stats["objects_per_video"].items())),
        _table(("mean area of object", "objects"), areas),
        _table(("id", "category", "videos", "objects", "shown in frames"), categories),
    ]


_SPREADS = {"video_length": "frames of a video", "track_length": "frames an object is shown in"}
_AREAS = {"small": "below 128 x 128", "medium": "below 256 x 256", "large": "above"}


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Text to the left, numbers to the right."""
    cells = [list(header)] + [[f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_text = [all(isinstance(row[i], str) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(c.ljust(w) if text else c.rjust(w) for c, w, text in zip(row, widths, is_text, strict=True)) for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
