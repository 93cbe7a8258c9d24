"""Renders demo/clip.mp4: a café table on a lawn; two people, a cat and two cups move, cross and hide each other.

Every pixel comes from a photograph that ships inside scikit-image and is in the public domain or CC0 (NOTICE names them). Objects
are cut out by a hand-drawn outline, some refined by GrabCut, so this script and scikit-image are all that is needed:

    pip install -e .[demo] && python demo/render_clip.py
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 24, 5.6
TABLE_TOP = 232  # y of the table's far edge
SKYLINE_ROWS = slice(132, 300)  # of the camera man's photograph, from the tower to the lawn
PAN = 24  # pixels by which the background drifts; the table drifts more, the people lie between


def outline(points: str) -> list[tuple[int, int]]:
    """Corners (x, y) in pixels of the photograph, written like an SVG polygon's points: "x,y x,y ..."."""
    return [tuple(map(int, point.split(","))) for point in points.split()]


CAT_PAD = 70  # rows mirrored above the photograph: the tips of the ears, which it cuts off
ASTRONAUT = outline(
    """
    235,15 265,22 285,38 298,65 301,90 295,115 280,130 272,137 262,150 256,172 275,185 295,205 303,230 305,240 325,248
    340,262 348,285 358,320 361,345 400,342 430,350 460,370 485,405 495,440 503,470 505,511 60,511 45,500 30,470 22,430
    20,390 25,350 35,320 40,290 45,280 60,255 75,245 100,225 115,212 113,195 118,185 128,165 145,152 165,148 185,150
    180,132 172,125 160,110 154,90 155,65 165,50 188,38 205,22
    """
)
CAMERAMAN = outline(
    """
    205,64 225,70 245,85 262,105 270,120 268,130 262,138 300,140 323,139 324,150 318,158 319,170 328,170 331,185 330,200
    322,215 310,228 303,250 304,272 292,285 262,305 245,312 208,295 185,330 140,380 148,420 150,511 40,511 22,400 11,320
    10,275 20,235 35,210 60,165 75,145 100,130 125,124 135,117 150,106 162,104 168,90 180,75 195,66
    """
)
TRIPOD = outline(
    """
    288,240 297,240 298,312 312,326 405,511 396,511 308,345 298,345 298,480 288,480 288,345 284,345 240,511 230,511
    279,330 280,312 288,312
    """
)
FACE = outline("178,128 200,128 240,128 256,150 256,168 244,180 242,196 222,192 196,170 182,150")
CAT = outline(
    """
    10,5 40,26 76,58 120,50 180,44 250,46 300,55 325,60 368,28 412,8 410,40 396,75 378,105 360,140 352,160 362,198 356,228
    322,268 306,298 312,330 300,369 0,369 0,240 14,220 38,182 33,130 34,90 20,45
    """
)
SPOON = outline("396,68 412,66 425,72 424,82 408,140 396,140")


@dataclass
class Cutout:
    """Colours float32 [h, w, 3] in [0, 255] and opacity float32 [h, w] in [0, 1]."""

    colours: np.ndarray
    alpha: np.ndarray

    def scaled(self, scale: float) -> "Cutout":
        """Shrunk; colours are weighted by opacity so that no background bleeds in."""
        weighted = cv2.resize(self.colours * self.alpha[..., None], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(self.alpha, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return Cutout(weighted / np.maximum(alpha, 1e-3)[..., None], alpha)


def fill(image_hw: tuple[int, int], *outlines: Sequence[tuple[int, int]]) -> np.ndarray:
    """uint8 [h, w], 1 inside the outlines."""
    mask = np.zeros(image_hw, np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
    return mask


def matte(image: np.ndarray, rough: np.ndarray, *, band: int, softness: float) -> np.ndarray:
    """Opacity from a rough mask: GrabCut decides within `band` pixels of its border; the edge is drawn in and softened."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    labels = np.where(rough, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode(rough, kernel, borderValue=1) == 1] = cv2.GC_FGD
    labels[cv2.dilate(rough, kernel) == 0] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    sure = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    sure = cv2.morphologyEx(sure, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    alpha = cv2.GaussianBlur(cv2.erode(sure, np.ones((3, 3), np.uint8), borderValue=1).astype(np.float32), (0, 0), softness)
    return alpha


def astronaut() -> Cutout:
    image = data.astronaut()
    rough = fill(image.shape[:2], ASTRONAUT)
    return Cutout(image.astype(np.float32), matte(image, rough, band=6, softness=1.0)).scaled(0.52)


def cameraman() -> Cutout:
    """The photograph is grey: the face gets the colour of skin and the coat a trace of blue."""
    image = cv2.cvtColor(data.camera(), cv2.COLOR_GRAY2RGB)
    alpha = np.maximum(
        matte(image, fill(image.shape[:2], CAMERAMAN), band=5, softness=1.0),
        cv2.GaussianBlur(fill(image.shape[:2], TRIPOD).astype(np.float32), (0, 0), 0.7),
    )
    grey = image.astype(np.float32)
    skin = cv2.GaussianBlur(fill(image.shape[:2], FACE).astype(np.float32), (0, 0), 3) * np.clip((grey[..., 0] - 40) / 60, 0, 1)
    tinted = grey * (1 - skin[..., None]) * (0.94, 0.97, 1.06) + grey * skin[..., None] * (1.22, 0.98, 0.82)
    return Cutout(np.clip(tinted + 6, 0, 255).astype(np.float32), alpha).scaled(0.56)


def cat() -> Cutout:
    image = cv2.copyMakeBorder(data.chelsea(), CAT_PAD, 0, 0, 0, cv2.BORDER_REFLECT_101)
    alpha = cv2.GaussianBlur(fill(image.shape[:2], CAT).astype(np.float32), (0, 0), 2.5)
    return Cutout(image.astype(np.float32), alpha).scaled(0.35)


def cup(*, hue_shift: int = 0) -> Cutout:
    """The cup with its saucer; `hue_shift` (0..179, OpenCV's scale) repaints the red glaze."""
    image = data.coffee()
    rough = fill(image.shape[:2], SPOON)
    cv2.ellipse(rough, (278, 226), (203, 163), 0, 0, 360, 1, -1)
    cv2.ellipse(rough, (291, 113), (118, 95), 0, 0, 360, 1, -1)
    alpha = cv2.GaussianBlur(cv2.erode(rough, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 1.0)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    glaze = ((hsv[..., 0] < 9) | (hsv[..., 0] > 170)) & (hsv[..., 1] > 120)
    hsv[..., 0] = np.where(glaze, (hsv[..., 0].astype(int) + hue_shift) % 180, hsv[..., 0])
    return Cutout(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32), alpha).scaled(0.36)


def lawn() -> np.ndarray:
    """Background [TABLE_TOP + 20, WIDTH + PAN, 3]: sky, skyline and lawn behind the camera man, mirrored to fill the width."""
    photograph = data.camera()[SKYLINE_ROWS]
    sky = np.zeros((len(photograph) + 2, photograph.shape[1] + 2), np.uint8)
    for seed in ((400, 0), (500, 0)):  # left and right of the tower
        cv2.floodFill(photograph.copy(), sky, seed, 0, loDiff=3, upDiff=3, flags=4 | cv2.FLOODFILL_MASK_ONLY | (255 << 8))
    columns = [*range(404, 345, -1), *range(345, 512), *range(511, 440, -1)]
    size = (WIDTH + PAN, TABLE_TOP + 20)
    grey = cv2.resize(photograph[:, columns].astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    sky = cv2.resize(sky[1:-1, 1:-1][:, columns].astype(np.float32) / 255, size)[..., None]
    grey = cv2.GaussianBlur(grey, (0, 0), 1.1)
    horizon = round((240 - SKYLINE_ROWS.start) / len(photograph) * (TABLE_TOP + 20))
    rows = np.arange(len(grey))[:, None]
    grass = np.clip((rows - horizon + 6) / 10, 0, 1)[..., None]
    sky = cv2.GaussianBlur(sky, (0, 0), 0.8)[..., None] * (1 - grass)
    warm, green = grey[..., None] * (1.0, 0.95, 0.89), grey[..., None] * (0.70, 0.88, 0.50)
    blue = grey[..., None] * np.array((0.78, 0.93, 1.13)) + 14 * (rows / horizon)[..., None]
    return np.clip(warm * (1 - sky - grass) + blue * sky + green * grass, 0, 255).astype(np.float32)


def table() -> np.ndarray:
    """The wood under the coffee, turned so that its grain runs across, mirrored to fill the width, darker to the front."""
    grain = cv2.getAffineTransform(
        np.array([(422, 60), (502, 9), (518, 212)], np.float32),
        np.array([(0, 0), (330, 0), (0, 150)], np.float32),
    )
    size = (330, HEIGHT - TABLE_TOP)
    image = cv2.warpAffine(data.coffee(), grain, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    wood = np.hstack([image, image[:, ::-1], image])[:, : WIDTH + 3 * PAN].astype(np.float32)
    wood *= np.linspace(1.0, 0.72, len(wood))[:, None, None]
    wood[:2] *= 1.15
    return np.clip(wood, 0, 255)


def paste(
    canvas: np.ndarray, cutout: Cutout, centre_x: float, bottom: float, *, limit: int = HEIGHT, shadow: float = 0.0
) -> None:
    """Draw with the middle of the lower edge at (centre_x, bottom), to a fraction of a pixel; rows from `limit` on are hidden."""
    height, width = cutout.alpha.shape
    shift = np.array([[1, 0, centre_x - width / 2], [0, 1, bottom - height]], np.float32)
    size = (canvas.shape[1], canvas.shape[0])
    alpha = cv2.warpAffine(cutout.alpha, shift, size)[..., None]
    colours = cv2.warpAffine(cutout.colours, shift, size, borderMode=cv2.BORDER_REPLICATE)
    if shadow:
        fallen = cv2.warpAffine(cutout.alpha, shift + np.array([[0, 0, 5], [0, 0, 7]], np.float32), size)
        canvas *= 1 - shadow * cv2.GaussianBlur(fallen, (0, 0), 6)[..., None]
    alpha[limit:] = 0
    canvas[:] = canvas * (1 - alpha) + colours * alpha


def glide(start: float, end: float) -> Callable[[float], float]:
    """Position at time t in [0, 1], slow at both ends."""
    return lambda t: start + (end - start) * (0.35 * t + 0.65 * t * t * (3 - 2 * t))


def render_frames() -> Iterator[np.ndarray]:
    """Yield uint8 [HEIGHT, WIDTH, 3] RGB."""
    background, wood = lawn(), table()
    woman, man, kitten, red_cup, blue_cup = astronaut(), cameraman(), cat(), cup(), cup(hue_shift=105)
    woman_x, man_x = glide(530, 120), glide(95, 560)
    cat_x, red_x, blue_x = glide(285, 370), glide(95, 470), glide(560, 180)
    count = round(FPS * SECONDS)
    for index in range(count):
        t, seconds = index / (count - 1), index / FPS
        canvas = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        canvas[: len(background)] = drift(background, PAN * t)
        paste(canvas, man, man_x(t), 322 + 2.5 * abs(np.sin(5.0 * seconds)), limit=TABLE_TOP)
        paste(canvas, woman, woman_x(t), 296 + 3.0 * abs(np.sin(5.6 * seconds + 1)), limit=TABLE_TOP)
        duck = np.clip(2.6 * np.sin(np.pi * np.clip((seconds - 1.9) / 1.6, 0, 1)), 0, 1)  # the cat hides for a while
        paste(canvas, kitten, cat_x(t), TABLE_TOP + 22 + 160 * duck + 2 * np.sin(3 * seconds), limit=TABLE_TOP)
        canvas[TABLE_TOP:] = drift(wood, 3 * PAN * t)
        paste(canvas, red_cup, red_x(t), 330, shadow=0.45)
        paste(canvas, blue_cup, blue_x(t), 356, shadow=0.45)
        yield np.clip(canvas, 0, 255).astype(np.uint8)


def drift(image: np.ndarray, offset: float) -> np.ndarray:
    """WIDTH columns from `offset` on, to a fraction of a pixel."""
    return cv2.warpAffine(image, np.array([[1, 0, -offset], [0, 1, 0]], np.float32), (WIDTH, len(image)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("clip.mp4"))
    output = parser.parse_args().output
    with av.open(str(output), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "24", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt, stream.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, FPS)
        for image in render_frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
