"""Small annotated videos of two discs as JPEGs."""

import json
from pathlib import Path
from typing import Any

import cv2
from blobs import two_discs

CATEGORIES = [{"id": 4, "name": "green disc"}, {"id": 9, "name": "red disc"}, {"id": 2, "name": "blue disc"}]


def write_videos(folder: Path, *, num_videos: int = 4, num_frames: int = 5) -> dict[str, Any]:
    """FOLDER/valid.json and FOLDER/images/; gives the file's content. The ids are 0, 3, 6, ...; the second video is black."""
    videos = []
    for number in range(num_videos):
        names = [f"clip{number}/{frame:05d}.jpg" for frame in range(num_frames)]
        (folder / "images" / f"clip{number}").mkdir(parents=True)
        for frame, name in enumerate(names):
            image = two_discs(frame + number) * (number != 1)
            cv2.imwrite(str(folder / "images" / name), image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        videos.append({"id": 3 * number, "width": 128, "height": 96, "length": num_frames, "file_names": names})
    content = {"videos": videos, "categories": CATEGORIES}
    (folder / "valid.json").write_text(json.dumps(content))
    return content
