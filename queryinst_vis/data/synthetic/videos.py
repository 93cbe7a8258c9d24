"""Synthetic videos: frames and annotations in memory, each from (settings, seed, index) alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from queryinst_vis.data.synthetic.drawing import Artist
from queryinst_vis.data.synthetic.scene import random_scene
from queryinst_vis.data.synthetic.settings import SyntheticSettings
from queryinst_vis.data.synthetic.shapes import CLASSES
from queryinst_vis.data.ytvis_content import FilmedObject, YtvisContent
from queryinst_vis.masks import Window
from queryinst_vis.ops.rle import RLE, encode_window

CATEGORIES = [{"id": number, "name": name, "supercategory": "shape"} for number, name in enumerate(CLASSES, start=1)]


@dataclass(frozen=True, slots=True)
class SyntheticVideo:
    """Video `index` of a seed; seeds share the classes, not the objects. Frames are drawn when they are asked for."""

    settings: SyntheticSettings
    seed: int
    index: int

    @property
    def name(self) -> str:
        """Also of its folder."""
        return f"{self.seed:03d}_{self.index:04d}"

    def frames(self) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] RGB each."""
        artist = self._artist()
        for time in range(self.settings.num_frames):
            yield artist.picture(time, np.random.default_rng((self.seed, self.index, 1, time)))

    def objects(self) -> list[FilmedObject]:
        """Those that are visible at some time, nearest last, with the mask of what is visible in each frame."""
        artist = self._artist()
        windows = [artist.masks(time) for time in range(self.settings.num_frames)]
        found = [
            FilmedObject(category_id=1 + CLASSES.index(mover.looks.shape), rles=[self._code(frame[number]) for frame in windows])
            for number, mover in enumerate(artist.scene.movers)
        ]
        return [found_one for found_one in found if any(found_one.rles)]

    def _artist(self) -> Artist:
        return Artist(random_scene(self.settings, np.random.default_rng((self.seed, self.index, 0))), self.settings)

    def _code(self, window: Window) -> RLE | None:
        if np.count_nonzero(window.bitmap) < self.settings.min_visible:
            return None
        return encode_window(window.bitmap, window.top, window.left, self.settings.size_hw)


def synthetic_set(num_videos: int, settings: SyntheticSettings, *, seed: int = 0) -> tuple[dict[str, Any], list[SyntheticVideo]]:
    """Annotations as the parsed JSON of YouTube-VIS, and the videos in the same order."""
    videos = [SyntheticVideo(settings, seed, index) for index in range(num_videos)]
    content = YtvisContent(CATEGORIES)
    for video in videos:
        content.add(video.name, settings.num_frames, settings.size_hw, video.objects())
    return content.to_dict(), videos
