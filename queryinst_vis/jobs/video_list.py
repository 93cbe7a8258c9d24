"""Which videos a list, folders and patterns mean, and under what name the results of each are kept."""

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from queryinst_vis.errors import UserError
from queryinst_vis.video.url import mask_url

LISTS = (".txt", ".lst", ".list")
VIDEOS = frozenset(
    f".{name}"
    for name in re.findall(
        r"\w+",
        "264 265 3g2 3gp asf av1 avi dv f4v flv gif h264 h265 hevc ivf m2ts m2v m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts mxf nut "
        "obu ogg ogv rm rmvb ts vob webm wmv y4m",
    )
)


class ListedVideo(NamedTuple):
    """source: as `open_video` takes it; name: relative path, unlike that of any other, the same whatever else is listed."""

    source: str
    name: str


def list_videos(inputs: Sequence[str], *, without: Path) -> list[ListedVideo]:
    """Videos in the order of the inputs, each once; folders with all below them, in natural order.

    inputs: videos, folders, patterns (*, ?, **), and lists: text files (.txt, .lst, .list) with a video a line. A single folder
    or pattern names its videos as they lie in it; else names are paths from here. without: a folder that is passed over, as it
    holds results. UserError: an input is not there, or means no video.
    """
    is_single = len(inputs) == 1
    found: dict[str, ListedVideo] = {}
    for text in inputs:
        videos = list(_videos_of(text, is_single=is_single, without=without.resolve()))
        if not videos:
            raise UserError(f"there is no video in {text} (names of videos end in .mp4, .mkv, .mov, .webm, .avi and the like)")
        for video in videos:
            found.setdefault(_key(video.source), video)
    return list(found.values())


def _videos_of(text: str, *, is_single: bool, without: Path) -> Iterator[ListedVideo]:
    path = Path(text)
    if path.suffix.lower() in LISTS and path.is_file():
        yield from (_named(line) for line in _lines(path))
    elif path.is_dir():
        below = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
        videos = [file for file in below if file.suffix.lower() in VIDEOS and not _is_hidden(file.relative_to(path))]
        yield from (_named(str(file), root=path if is_single else None) for file in _in_order(videos, without))
    elif not path.exists() and re.search(r"[*?\[]", text):
        files = [Path(name) for name in glob.glob(text, recursive=True) if os.path.isfile(name)]
        yield from (_named(str(file), root=_fixed_part(text) if is_single else None) for file in _in_order(files, without))
    elif path.exists():
        yield _named(text)
    else:
        raise UserError(f"{text} does not exist; expected videos, folders, patterns or a list of them ({', '.join(LISTS)})")


def _lines(path: Path) -> Iterator[str]:
    """Videos of a list, relative ones from its folder or from here; empty lines and those that begin with # are passed over."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no list of videos, a text with one a line ({error})") from None
    for line in map(str.strip, lines):
        if line and not line.startswith("#"):
            beside = path.parent / line
            yield str(beside) if "://" not in line and beside.exists() else line


def _in_order(files: Iterable[Path], without: Path) -> list[Path]:
    kept = [file for file in files if without not in file.resolve().parents]
    return sorted(kept, key=lambda file: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", str(file))])


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _fixed_part(pattern: str) -> Path:
    """The folder that all files lie in that a pattern means."""
    parts = Path(pattern).parts[:-1]
    number = next((index for index, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    return Path(*parts[:number])


def _named(source: str, *, root: Path | None = None) -> ListedVideo:
    if "://" in source:
        digest = hashlib.sha256(source.encode()).hexdigest()[:8]
        words = re.sub(r"[^A-Za-z0-9.]+", "_", mask_url(source).partition("://")[2])
        return ListedVideo(source, f"{words[:60].strip('._')}-{digest}")
    path = Path(os.path.abspath(source))
    for folder in (root, Path.cwd()):
        if folder is not None and path.is_relative_to(os.path.abspath(folder)):
            return ListedVideo(source, path.relative_to(os.path.abspath(folder)).as_posix())
    return ListedVideo(source, str(PurePosixPath(*path.parts[1:])))


def _key(source: str) -> str:
    return source if "://" in source else os.path.realpath(source)
