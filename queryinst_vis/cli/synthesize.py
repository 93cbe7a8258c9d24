"""`synthesize OUT`: generate a data set of videos of moving shapes, in YouTube-VIS's format (docs/synthetic.md)."""

import argparse
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import new_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, metavar="OUT", help="folder to make: OUT/JPEGImages and OUT/instances.json")
    parser.add_argument(
        "settings",
        nargs="*",
        default=[],
        metavar="key=value",
        help="single settings, e.g. lookalikes=1 pillars=0,2 (docs/synthetic.md)",
    )
    parser.add_argument("--videos", type=int, default=60, metavar="N", help="number of videos (default: 60)")
    parser.add_argument("--frames", type=int, default=24, metavar="T", help="frames of each (default: 24)")
    parser.add_argument("--size", default="192x320", metavar="HxW", help="height and width in pixels (default: 192x320)")
    parser.add_argument(
        "--difficulty", default="medium", metavar="LEVEL", help="easy, medium (default), hard, or a number from 0 to 1"
    )
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other objects of the same classes (default: 0)")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs, 1 to 100 (default: 90)")
    parser.add_argument("--overwrite", action="store_true", help="replace a data set that is there already")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.data.synthetic import CATEGORIES, SyntheticVideo, settings_of
    from queryinst_vis.data.ytvis_content import YtvisContent
    from queryinst_vis.data.ytvis_writer import ANNOTATIONS, YtvisWriter

    if args.videos < 1 or args.seed < 0 or not 1 <= args.quality <= 100:
        raise UserError(
            f"--videos must be 1 or more, --seed 0 or more and --quality 1 to 100, got {args.videos}, {args.seed}, {args.quality}"
        )
    changes = {"size_hw": _size(args.size), "num_frames": args.frames, **dict(map(_setting, args.settings))}
    settings = settings_of(_difficulty(args.difficulty), **changes)
    info = {"description": "queryinst-vis synthesize", "difficulty": args.difficulty, "seed": args.seed, **asdict(settings)}
    content = YtvisContent(CATEGORIES, info)
    with new_folder(args.output, overwrite=args.overwrite, known_by=ANNOTATIONS) as folder:
        writer = YtvisWriter(folder, content, quality=args.quality)
        with progress_bar("videos", args.videos) as advance:
            for index in range(args.videos):
                video = SyntheticVideo(settings, args.seed, index)
                writer.add(video.name, list(video.frames()), video.objects())
                advance()
        writer.finish()
    print(f"{args.output}: {content}")
    return 0


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise UserError(f"--size must be HEIGHTxWIDTH, such as 192x320, got {text!r}")
    return int(match[1]), int(match[2])


def _difficulty(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _setting(text: str) -> tuple[str, Any]:
    """key=number or key=low,high."""
    key, equals, value = text.partition("=")
    try:
        numbers = [float(part) if re.search(r"[.e]", part) else int(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if not equals or not numbers:
        raise UserError(f"settings are given as key=number or key=low,high, got {text!r}")
    return key, numbers[0] if len(numbers) == 1 else tuple(numbers)
