"""The size of a picture from the first bytes of its file, so that one that is too large is refused before it is decoded."""

import io
import warnings

from PIL import Image

from queryinst_vis.ops.bounds import PIXELS


def oversize(data: bytes | memoryview) -> str | None:
    """What is wrong with the number of pixels that a picture's header states; None when it is fine or not understood."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that our own limit allows
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
    except Image.DecompressionBombError as error:
        largest = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # above it Pillow does not tell the size
        return None if PIXELS.most() > largest else f"{str(error).partition(',')[0]}; {PIXELS.remedy()}"
    except Exception:
        return None
    problem = PIXELS.problem(width * height)
    return problem and f"{width} x {height}: {problem}"
