"""Reading the pictures that annotations speak of: RGB, of the size the annotations say, or an error that names them."""

from pathlib import Path

import cv2
import numpy as np

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.ops.picture_size import oversize


def read_image(path: Path, image_hw: tuple[int, int], *, where: str) -> np.ndarray:
    """uint8 [H, W, 3] RGB of (height, width) = `image_hw`. where: what the picture is in its annotations, for DatasetErrors."""
    place = f"{path} ({where})"
    if not path.is_file():
        raise DatasetError(f"{place}: no such image")
    image = decode_file(path, cv2.IMREAD_COLOR, place=place)
    height, width = image_hw
    if image.shape[:2] != (height, width):
        raise DatasetError(f"{place}: is {image.shape[1]} x {image.shape[0]} pixels, the annotations say {width} x {height}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def check_image_folder(path: str | Path) -> Path:
    """The folder, or DatasetError when there is none."""
    if not Path(path).is_dir():
        raise DatasetError(f"{path}: no such folder of images")
    return Path(path)


def decode_file(path: Path, flags: int, *, place: str) -> np.ndarray:
    """What OpenCV makes of a picture, by its flags (IMREAD_...). DatasetErrors begin with `place`."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DatasetError(f"{place}: cannot be read: {error.strerror}") from None
    if problem := oversize(data.data):
        raise DatasetError(f"{place}: {problem}")
    try:
        image = cv2.imdecode(data, flags) if len(data) else None
    except cv2.error:  # a header that promises more pixels than OpenCV allows
        image = None
    if image is None:
        raise DatasetError(f"{place}: not an image that can be decoded")
    return image
