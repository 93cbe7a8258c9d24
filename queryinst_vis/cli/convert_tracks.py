"""`convert-tracks IN OUT`: results of tracking in another format (docs/result_formats.md); the spool of a killed run too."""

import argparse
import sys
from pathlib import Path

from queryinst_vis.cli.values import rate
from queryinst_vis.errors import UserError

DAMAGED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from queryinst_vis.results import KINDS

    parser.add_argument("input", type=Path, metavar="IN", help="a result, or the NAME.spool that a killed run has left")
    parser.add_argument("output", type=Path, metavar="OUT", help="the new file, or folder for png; - for standard output")
    parser.add_argument("--from", dest="source", choices=KINDS, metavar="KIND", help="what IN is (default: found out)")
    parser.add_argument("--to", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)} (default: by OUT's suffix)")
    parser.add_argument("--overwrite", action="store_true", help="replace output files that exist")
    hints = parser.add_argument_group("what IN may not say")
    hints.add_argument("--size", type=_size, metavar="WIDTHxHEIGHT", help="of the pictures: needed for csv and mot")
    hints.add_argument("--fps", type=rate, metavar="RATE", help="frames per second, as 25 or 30000/1001, to make times of")
    hints.add_argument("--classes", type=_names, metavar="NAME,...", help="names of classes, for ytvis, mots, mot and png")
    hints.add_argument("--video-id", type=int, metavar="N", help="which video of a ytvis file")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.results import Hints, convert_result

    _check_is_other(args.input, args.output)
    hints = Hints(size=args.size, fps=args.fps, classes=args.classes, video_id=args.video_id)
    done = convert_result(
        args.input, args.output, kind=args.source, to=args.to or _kind_of(args.output), hints=hints, overwrite=args.overwrite
    )
    messages = sys.stderr if str(args.output) == "-" else sys.stdout
    print(f"{args.output}: {done.num_frames} frames", file=messages)
    if done.lost:
        print(f"not held by it: {', '.join(done.lost)}", file=messages)
    for problem in done.problems:
        print(problem, file=sys.stderr)
    return DAMAGED if done.problems else 0


def _check_is_other(source: Path, target: Path) -> None:
    """UserError: writing one would destroy the other."""
    from queryinst_vis.outputs import part_of

    for path in (target, part_of(target)):
        if path.exists() and source.exists() and path.samefile(source):
            raise UserError(f"{source} is the input and would be written to; name another output")


def _kind_of(path: Path) -> str:
    from queryinst_vis.results.guess import BY_SUFFIX

    if path.suffix not in BY_SUFFIX:
        raise UserError(f"{path}: what to write is not clear from its name; --to KIND says it")
    return BY_SUFFIX[path.suffix]


def _size(text: str) -> tuple[int, int]:
    from queryinst_vis.data.json_tables import DatasetError
    from queryinst_vis.results import checks

    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT, e.g. 1280x720, got '{text}'")
    try:
        return checks.size(int(width), int(height), text)
    except DatasetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _names(text: str) -> list[str]:
    names = text.split(",")
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected different names, NAME,NAME,..., got '{text}'")
    return names
