"""What ffprobe and ffmpeg, the programs, say of videos: a reading independent of the package's.

    python tests/ffprobe_reading.py FOLDER > tests/golden/formats_ffprobe.json

reads every file of a folder. Times are kept as one number (`digest`); pictures as grey means on a grid of 4 x 4.
"""

import json
import subprocess
import sys
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

GRID = 4


def digest(times: Sequence[Fraction]) -> int:
    """One number for a list of times in seconds."""
    return zlib.crc32(" ".join(map(str, times)).encode())


def grid(image: np.ndarray) -> list[int]:
    """Grey means of 4 x 4 parts of [H, W, 3], row by row."""
    rows = np.array_split(image.mean(2), GRID)
    return [round(float(part.mean())) if part.size else 0 for row in rows for part in np.array_split(row, GRID, axis=1)]


def reading(path: Path) -> dict[str, Any] | None:
    """frames; width, height and grid of the first, upright; rotation as stored.

    times: digest of the times from the file's start, last: the last of them in seconds; None where there are none.
    """
    entries = "frame=best_effort_timestamp,width,height:stream=time_base:stream_side_data=rotation:format=start_time"
    found = json.loads(_run("ffprobe", "-select_streams", "v:0", "-show_entries", entries, "-of", "json", f"file:{path}") or "{}")
    if not found.get("frames"):
        return None
    tick = Fraction(found["streams"][0]["time_base"])
    start = round(max(Fraction(found["format"].get("start_time", 0)), Fraction(0)) / tick)
    stamps = [frame.get("best_effort_timestamp") for frame in found["frames"]]
    times = None if None in stamps else [(stamp - start) * tick for stamp in stamps]
    image = _first_picture(path, found["frames"][0]["width"], found["frames"][0]["height"])
    height, width = image.shape[:2]
    return {
        "frames": len(stamps),
        "width": width,
        "height": height,
        "times": times and digest(times),
        "last": times and str(times[-1]),
        "rotation": sum(data.get("rotation", 0) for data in found["streams"][0].get("side_data_list", [])),
        "first": grid(image),
    }


def _first_picture(path: Path, width: int, height: int) -> np.ndarray:
    """uint8 [H, W, 3], turned upright by ffmpeg."""
    sizes = _run(
        "ffmpeg",
        "-i",
        f"file:{path}",
        "-map",
        "0:v:0",
        "-frames:v",
        "1",
        "-f",
        "image2pipe",
        "-pix_fmt",
        "rgb24",
        "-c:v",
        "ppm",
        "-",
    ).split(b"\n", 3)
    out_width, out_height = map(int, sizes[1].split())
    assert {out_width, out_height} == {width, height}
    return np.frombuffer(sizes[3], dtype=np.uint8)[: out_width * out_height * 3].reshape(out_height, out_width, 3)


def _run(*command: str) -> bytes:
    return subprocess.run([command[0], "-v", "quiet", *command[1:]], capture_output=True, check=False).stdout


if __name__ == "__main__":
    files = sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_file())
    print("{\n" + ",\n".join(f"{json.dumps(path.name)}: {json.dumps(reading(path))}" for path in files) + "\n}")
