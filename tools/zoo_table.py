"""Makes the table of docs/video.md: what `open_video` gives of every file of a folder, held against ffprobe's reading of it.

    python tools/zoo_table.py FOLDER                        # prints the table
    python tools/zoo_table.py FOLDER --write docs/video.md  # puts it there

The reading is tests/golden/formats_ffprobe.json, made by tests/ffprobe_reading.py. Exit code 1: something differs.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from queryinst_vis.video import VideoError, open_video

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from ffprobe_reading import digest, grid  # noqa: E402 - lies beside the tests

MARKS = ("<!-- zoo_table.py: begin -->", "<!-- zoo_table.py: end -->")
HEADER = (
    "| file | frames | size | stored turned by | last picture at | as ffprobe says | remarks |",
    "|---|---:|---:|---:|---:|---|---|",
)
_GREY_LEVELS = 10  # by which means of pictures may differ: decoders agree, conversions to RGB round


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the table of videos of the wild.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--expected", type=Path, default=ROOT / "tests" / "golden" / "formats_ffprobe.json")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="replace the table there")
    args = parser.parse_args()
    rows = [row_of(args.folder / name, reading) for name, reading in json.loads(args.expected.read_text()).items()]
    table = "\n".join([*HEADER, *(f"| {' | '.join(row)} |" for row, _ in rows)])
    if args.write:
        pattern = re.compile(f"({re.escape(MARKS[0])}\n).*?({re.escape(MARKS[1])})", re.DOTALL)
        text = args.write.read_text(encoding="utf-8")
        args.write.write_text(pattern.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text), encoding="utf-8")
    else:
        print(table)
    differing = sum(not is_same for _, is_same in rows)
    print(f"{len(rows)} files, {differing} of them differ", file=sys.stderr)
    return bool(differing)


def row_of(path: Path, expected: dict[str, Any] | None) -> tuple[list[str], bool]:
    """The cells of a file, and whether it is as ffprobe says."""
    name = f"`{path.name}`"
    try:
        with open_video(path) as source:
            times, first, sizes = [], None, set()
            for frame in source:
                first = frame.image if first is None else first
                times.append(frame.pts * frame.time_base)
                sizes.add(frame.image_hw)
            problems = source.problems
    except VideoError as error:
        message = str(error).replace(str(path), path.name)
        return [
            name,
            "",
            "",
            "",
            "",
            "refused, as it has no picture" if expected is None else "**differs**",
            message,
        ], expected is None
    if expected is None or first is None or len(sizes) != 1:
        return [name, str(len(times)), "", "", "", "**differs**", ""], False
    (height, width) = first.shape[:2]
    wrong = list(differences(expected, times, (width, height), first))
    what = "frames, size, orientation" + (", all times" if expected["times"] is not None else "; no times in the file")
    cells = [str(len(times)), f"{width} x {height}", turned(expected["rotation"]), f"{float(times[-1]):.3f} s"]
    remarks = f"exit code 3: {'; '.join(problems)}" if problems else ""
    return [name, *cells, f"**differs**: {', '.join(wrong)}" if wrong else what, remarks.replace("|", "/")], not wrong


def differences(expected: dict[str, Any], times: Sequence[Fraction], size: tuple[int, int], first: np.ndarray) -> list[str]:
    """What is not as ffprobe says. Orientation: where in the first picture it is how bright."""
    checks = {
        "frames": len(times) == expected["frames"],
        "size": size == (expected["width"], expected["height"]),
        "orientation": np.abs(np.subtract(grid(first), expected["first"])).max() <= _GREY_LEVELS,
        "times": expected["times"] is None or (digest(times) == expected["times"] and str(times[-1]) == expected["last"]),
    }
    return [name for name, is_right in checks.items() if not is_right]


def turned(rotation: int) -> str:
    """ffprobe counts counter-clockwise from the stored picture to the upright one's frame."""
    return f"{-rotation % 360}°" if rotation else ""


if __name__ == "__main__":
    sys.exit(main())
