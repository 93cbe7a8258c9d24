"""Single pictures: read upright as RGB, written whole or not at all. BGR, OpenCV's order, does not leave this file."""

import os
from pathlib import Path

import cv2
import numpy as np

from queryinst_vis.errors import UserError
from queryinst_vis.ops.picture_size import oversize
from queryinst_vis.outputs import check_new_file, part_of

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class ImageError(UserError):
    """A picture that cannot be read or written, in one line."""


def image_paths(source: Path) -> list[Path]:
    """The picture itself, or the pictures in a folder, by name. ImageError: there is none."""
    if not source.is_dir():
        return [source]
    paths = sorted(path for path in source.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ImageError(f"no picture in {source} (looked for {', '.join(IMAGE_SUFFIXES)})")
    return paths


def read_image(path: Path) -> np.ndarray:
    """uint8 [H, W, 3] RGB, turned as its camera says. ImageError."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from None
    if problem := oversize(data.data):
        raise ImageError(f"{path}: {problem}")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:  # a header that promises more pixels than OpenCV allows
        image = None
    if image is None:
        raise ImageError(f"{path} is not a picture that can be decoded")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def can_write(path: Path) -> bool:
    """Whether the suffix names a format that can be written."""
    return path.suffix != "" and cv2.haveImageWriter(path.name)


def check_output(path: Path, *, overwrite: bool) -> Path:
    """The path, when a picture may be made there. UserError: it exists, its folder does not, or its suffix names no format."""
    if not can_write(path):
        raise ImageError(f"cannot write {path}: its name should end in {', '.join(IMAGE_SUFFIXES)}")
    return check_new_file(path, overwrite=overwrite)


def write_image(path: Path, image: np.ndarray) -> None:
    """Write uint8 [H, W, 3] RGB in the format its suffix names. ImageError: too large for it, or there is no such format."""
    try:
        done, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f"cannot write {path}: this size and format do not go together")
    part_of(path).write_bytes(data.tobytes())
    os.replace(part_of(path), path)
