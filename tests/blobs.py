"""A world simple enough to be known exactly: bright discs on black, videos of them, a model without weights that finds them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.models.base import ImageModel, ModelInfo, Preprocess
from queryinst_vis.structures import Instances

RED, GREEN = (255, 60, 60), (60, 255, 60)
CLASSES = ("red disc", "green disc")


class BlobModel(ImageModel):
    """Every bright patch is an object: class by its colour, score by its size, an embedding that tells the two colours."""

    def __init__(self) -> None:
        super().__init__(preprocess=Preprocess())
        self.info = ModelInfo(classes=CLASSES, score_threshold=0.5, tracker="iou")
        self.images_seen = 0

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        self.images_seen += len(images)
        return [_find(image, min_score) for image in images]


def _find(image: np.ndarray, min_score: float) -> Instances:
    count, components, stats, _ = cv2.connectedComponentsWithStats((image.max(2) > 128).astype(np.uint8))
    rows = [row for row in range(1, count) if stats[row, cv2.CC_STAT_AREA] >= 9]
    rows = sorted(rows, key=lambda row: -stats[row, cv2.CC_STAT_AREA])[:8]
    bitmaps = np.stack([components == row for row in rows]) if rows else np.zeros((0, *image.shape[:2]), dtype=bool)
    labels = torch.tensor([int(image[bitmap][:, 1].mean() > image[bitmap][:, 0].mean()) for bitmap in bitmaps], dtype=torch.int64)
    masks = BitMasks(torch.from_numpy(bitmaps))
    scores = (masks.areas().float() / 100).clamp(0.1, 0.9)
    class_scores = torch.eye(2)[labels] * scores[:, None]
    found = Instances(image.shape[:2], masks.boxes(), scores, labels, class_scores, masks, torch.eye(2)[labels])
    return found[found.scores >= min_score]


def disc_image(*discs: tuple[int, int, int, tuple[int, int, int]], hw: tuple[int, int] = (96, 128)) -> np.ndarray:
    """uint8 [H, W, 3] with discs of (x, y, radius, RGB)."""
    image = np.zeros((*hw, 3), dtype=np.uint8)
    for x, y, radius, colour in discs:
        cv2.circle(image, (x, y), radius, colour, cv2.FILLED)
    return image


def two_discs(index: int) -> np.ndarray:
    """Frame `index`: a red disc goes right, a green one left, in different rows."""
    return disc_image((20 + 3 * index, 30, 10, RED), (108 - 3 * index, 66, 10, GREEN))


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    sound: str | None = None,
    sound_rate: int = 48000,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode a video, independently of the package. pts in units of `time_base`, default one per frame; sound: an audio codec."""
    with av.open(str(path), "w", container_options=container_options) as output:
        stream = output.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        audio = output.add_stream(sound, rate=sound_rate) if sound else None
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index if pts is None else pts[index], time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if audio:
            _write_sound(output, audio, seconds=len(images) / 25)
    return path


def _write_sound(output: "av.container.OutputContainer", stream: "av.audio.stream.AudioStream", *, seconds: float) -> None:
    """A tone."""
    context = stream.codec_context
    size = context.frame_size or 1024
    rate = context.sample_rate
    wave = (0.3 * np.sin(np.arange(int(seconds * rate)) * 0.06)).astype(np.float32)
    resampler = av.AudioResampler(format=context.format, layout=context.layout, rate=rate, frame_size=size)
    for start in range(0, len(wave), size):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + size], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        for part in resampler.resample(frame):
            output.mux(stream.encode(part))
    for part in resampler.resample(None):
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))
