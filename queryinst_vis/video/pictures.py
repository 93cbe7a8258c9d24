"""Folders and lists of pictures as videos: natural order, one size, a fixed rate."""

import glob
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from PIL import Image

from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.base import Limits, StoredSource, VideoError
from queryinst_vis.video.images import IMAGE_SUFFIXES, ImageError, read_image
from queryinst_vis.video.selection import Selection

DEFAULT_FPS = Fraction(25)
_EXIF_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


class PictureSource(StoredSource):
    """Pictures, one per frame. One that cannot be read is left out, its time stays empty, and `problems` tells."""

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        fps: Fraction | None = None,
        selection: Selection | None = None,
        limits: Limits | None = None,
    ) -> None:
        """VideoError: none can be read, they are not of one size, or none is selected."""
        fps, selection = fps or DEFAULT_FPS, selection or Selection()
        wanted = list(selection.of_items(enumerate(paths), lambda item: item[0] / fps))
        if not wanted:
            raise VideoError(f"{len(paths)} pictures at {float(fps):g} per second have none from {selection}")
        self._wanted, self._num_unreadable = wanted, 0
        self._last_error = ""
        width, height = check_one_size([path for _, path in wanted], limits or Limits())
        self._hw = height, width
        info = VideoInfo(width, height, fps, 1 / fps, num_frames=len(paths), duration=float(len(paths) / fps))
        self.info = replace(selection.of_info(info), num_frames=len(wanted))

    @property
    def problems(self) -> list[str]:
        """How many pictures could not be read."""
        number = self._num_unreadable
        return [f"{number} picture{'' if number == 1 else 's'} could not be read ({self._last_error})"] if number else []

    def _frames(self) -> Iterator[Frame]:
        index = 0
        for pts, path in self._wanted:
            try:
                image = read_image(path)
            except ImageError as error:
                self._num_unreadable += 1
                self._last_error = str(error)
                continue
            if image.shape[:2] != self._hw:
                raise _two_sizes(self._wanted[0][1], self._hw, path, image.shape[:2])
            yield Frame(image, index, pts, self.info.time_base)
            index += 1


def picture_paths(source: Path | str) -> list[Path]:
    """The pictures of a folder or glob in natural order: 2.jpg before 10.jpg. VideoError: there is none."""
    if isinstance(source, Path) and source.is_dir():
        try:
            found, what = list(source.iterdir()), "is a directory without pictures"
        except OSError as error:
            raise VideoError(f"{source}: {error.strerror}") from None
    else:
        found, what = [Path(name) for name in glob.glob(str(source), recursive=True)], "names no pictures"
    paths = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
    if not paths:
        raise VideoError(f"{source} {what} (looked for {', '.join(IMAGE_SUFFIXES)})")
    return sorted(paths, key=natural_order)


def natural_order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """A key to sort by, in which numbers in names count as numbers."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], str(path)


def check_one_size(paths: Sequence[Path], limits: Limits) -> tuple[int, int]:
    """(width, height) of pictures, by their headers as far as these can be read.

    VideoError: two sizes, naming a picture of each; too many pixels; no picture that can be read.
    """
    first: tuple[Path, tuple[int, int]] | None = None
    for path in paths:
        size = _stored_size(path)
        if size is None:
            continue
        limits.check_size(path, *size)
        if first is None:
            first = path, size
        elif size != first[1]:
            _compare_decoded(first[0], path)
    error: ImageError | None = None
    for path in paths:
        try:
            height, width = read_image(path).shape[:2]
            return width, height
        except ImageError as its_error:
            error = error or its_error
    raise VideoError(f"none of {len(paths)} pictures can be read: {error}")


def _stored_size(path: Path) -> tuple[int, int] | None:
    """(width, height), upright as far as the header says; None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                turned = image.format in ("JPEG", "MPO") and image.getexif().get(_EXIF_ORIENTATION) in _TURNED
                return image.size[::-1] if turned else image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _compare_decoded(first: Path, second: Path) -> None:
    """VideoError: they are of two sizes indeed, and not only by what their headers say of the camera's orientation."""
    one, other = _decoded_hw(first), _decoded_hw(second)
    if one and other and one != other:
        raise _two_sizes(first, one, second, other)


def _decoded_hw(path: Path) -> tuple[int, int] | None:
    try:
        height, width = read_image(path).shape[:2]
    except ImageError:
        return None
    return height, width


def _two_sizes(first: Path, first_hw: tuple[int, ...], second: Path, second_hw: tuple[int, ...]) -> VideoError:
    one, other = (f"{hw[1]} x {hw[0]}" for hw in (first_hw, second_hw))
    return VideoError(f"pictures of two sizes are no video: {first} is {one}, {second} is {other}; bring them to one size first")
