"""PNG images of object ids: a number per pixel, 0 for background, written as 16-bit grey."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from queryinst_vis.data.json_tables import DatasetError

MOST_IDS = (1 << 16) - 1
_FAST = 1  # of zlib's levels; such images are small at any


def id_png(ids: np.ndarray) -> bytes:
    """A file's content. ids: [H, W], 0 to MOST_IDS."""
    file = io.BytesIO()
    Image.fromarray(ids.astype(np.uint16)).save(file, "PNG", compress_level=_FAST)
    return file.getvalue()


def read_id_png(path: Path, *, max_pixels: int) -> np.ndarray:
    """int32 [H, W], of grey images and of the places in a palette. DatasetError: it is no image of ids, or too large."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > max_pixels:
                raise DatasetError(f"{path}: has {image.width} x {image.height} pixels; at most {max_pixels} are read")
            if image.mode not in ("1", "L", "P", "I", "I;16"):
                raise DatasetError(f"{path}: is a colour image, expected a number or a place in a palette per pixel")
            return np.array(image).astype(np.int32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: not a PNG that can be read: {error}") from None
