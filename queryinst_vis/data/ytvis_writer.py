"""Writing videos as YouTube-VIS has them: FOLDER/JPEGImages/<video>/<frame>.jpg and FOLDER/instances.json."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_content import FilmedObject, YtvisContent

IMAGES, ANNOTATIONS = "JPEGImages", "instances.json"


class YtvisWriter:
    """Writes frames as they come, and the annotations, held in memory, at the end: without that file the set is not complete."""

    def __init__(self, folder: Path, content: YtvisContent, *, quality: int = 90) -> None:
        """quality: of the JPEGs, 1 to 100."""
        self.folder = folder
        self.content = content
        self.quality = quality

    def add(self, name: str, frames: Sequence[np.ndarray], objects: Sequence[FilmedObject]) -> None:
        """frames: one or more, uint8 [H, W, 3] RGB, all of one size; name: of the video's folder."""
        height, width = frames[0].shape[:2]
        file_names = self.content.add(name, len(frames), (height, width), objects)
        (self.folder / IMAGES / name).mkdir(parents=True)
        self._write(frames, file_names)

    def _write(self, frames: Iterable[np.ndarray], file_names: Sequence[str]) -> None:
        for frame, file_name in zip(frames, file_names, strict=True):
            path = self.folder / IMAGES / file_name
            if not cv2.imwrite(str(path), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality]):
                raise DatasetError(f"{path}: cannot be written")

    def finish(self) -> None:
        """Write the annotations."""
        (self.folder / ANNOTATIONS).write_text(json.dumps(self.content.to_dict()) + "\n", encoding="utf-8")
