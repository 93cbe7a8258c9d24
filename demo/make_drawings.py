"""Makes the pictures of docs/video.md: one moment of demo/clip.mp4, drawn in every way there is.

.venv/bin/python demo/make_drawings.py
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from queryinst_vis import Trails, build_tracker, draw_instances, load_model, open_video, track_video
from queryinst_vis.structures import Instances
from queryinst_vis.visualization import colour_of

DEMO = Path(__file__).parent
WIDTH = 480  # pixels
COLOURS = 200  # of the palette: half the size of the file, and hardly to be seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, default=DEMO / "clip.mp4")
    parser.add_argument("--seconds", type=float, default=3.4, help="the moment shown")
    parser.add_argument("--output", type=Path, default=DEMO.parent / "docs" / "images", metavar="DIR")
    args = parser.parse_args()

    model, trails = load_model(), Trails()
    info = model.info
    tracker = build_tracker(info.tracker, score_threshold=info.score_threshold, similarity=info.similarity)
    with open_video(args.video, end=args.seconds) as video:
        for frame, tracked in track_video(video, model, tracker):
            tracks = draw_instances(frame.image, tracked, classes=info.classes, trails=trails)
    save(args.output / "drawing_tracks.png", tracks)
    objects = replace(tracked, track_ids=None)
    save(args.output / "drawing_objects.png", draw_instances(frame.image, objects, classes=info.classes))
    boxes = replace(tracked, masks=None)
    save(args.output / "drawing_boxes.png", draw_instances(frame.image, boxes, classes=info.classes))
    save(args.output / "drawing_ids.png", silhouettes(tracked))


def silhouettes(instances: Instances) -> np.ndarray:
    """Each object in its colour on black, better ones over others."""
    picture = np.zeros((*instances.image_hw, 3), dtype=np.uint8)
    for row in instances.scores.argsort().tolist():
        picture[instances.masks.bitmaps()[row].numpy()] = colour_of(int(instances.track_ids[row]))
    return picture


def save(path: Path, picture: np.ndarray) -> None:
    """As a small PNG with a palette."""
    from PIL import Image

    height = round(WIDTH * picture.shape[0] / picture.shape[1])
    small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
