"""Two small videos as a data set lists them, and entries of a submission for them that are fine."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from queryinst_vis.ops.rle import encode_window, to_json

VIDEOS = {
    "videos": [
        {"id": 7, "width": 8, "height": 5, "length": 3, "file_names": ["ant/0.jpg", "ant/5.jpg", "ant/10.jpg"]},
        {"id": 0, "width": 6, "height": 4, "length": 2, "file_names": ["bee/0.jpg", "bee/5.jpg"]},
    ],
    "categories": [{"id": 3, "name": "red disc"}, {"id": 1, "name": "green disc"}],
}


def mask(height: int, width: int, *, rows: int = 2, columns: int = 3) -> dict[str, Any]:
    """Code of a rectangle in the middle of a picture."""
    return to_json(encode_window(np.ones((rows, columns), dtype=bool), 1, 1, (height, width)))


def entry(**changes: Any) -> dict[str, Any]:
    """One of video 7 that is fine, but for `changes`."""
    return {"video_id": 7, "category_id": 3, "score": 0.5, "segmentations": [mask(5, 8), None, mask(5, 8, rows=1)]} | changes


def second_entry(**changes: Any) -> dict[str, Any]:
    """One of video 0."""
    return {"video_id": 0, "category_id": 1, "score": 0.25, "segmentations": [None, mask(4, 6)]} | changes


def write_zip(path: Path, members: dict[str, str | bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of texts by their names."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path
