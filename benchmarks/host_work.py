"""What the host does with the masks of one frame, on one thread: codes, JSON, association, drawing, and the pictures themselves.

    python benchmarks/host_work.py

20 masks of 720p of mid size; `--size 0.02` are tiny ones, `--size 2` fill the whole picture. Medians of the processor's time,
each beside what is aimed at. Every part begins with masks as a network gives them, not pasted yet; association is with as many
tracks, seen one frame ago. The parts run in turns, so that each finds little of its own in the processor's caches, as between
two runs of a network; with `--in-a-row` each runs by itself.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from rle import masks_parser, probabilities
from turns import medians

from queryinst_vis.results import open_result
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.trackers.affinity import Affinity
from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.assignment import assign
from queryinst_vis.trackers.query_match import QueryMatchTracker
from queryinst_vis.trackers.table import TrackTable
from queryinst_vis.video.pixels import to_rgb
from queryinst_vis.visualization import Trails, draw_instances

CLASSES = tuple(f"class {number}" for number in range(80))
STEP = Fraction(1, 25)  # seconds from frame to frame
NUM_FRAMES = 50  # of a file of results
Parts = dict[str, Callable[[], object]]


def detections(count: int, image_hw: tuple[int, int], size: float) -> Instances:
    """What a model finds: each object of a class and an appearance of its own."""
    masks, generator = probabilities(count, image_hw, size), torch.Generator().manual_seed(0)
    class_scores = torch.rand(count, len(CLASSES), generator=generator) / 10
    labels = torch.arange(count) % len(CLASSES)
    class_scores[torch.arange(count), labels] = 0.9
    embeds = torch.randn(count, 256, generator=generator)
    return Instances(image_hw, masks.roi_boxes, torch.full((count,), 0.9), labels, class_scores, masks, embeds)


def new(found: Instances) -> Instances:
    """The same, not pasted yet."""
    return replace(found, masks=found.masks.to("cpu"))  # type: ignore[union-attr]


def conversion(image: np.ndarray) -> Parts:
    """From a decoder's picture to RGB, and from RGB to an encoder's."""
    frame, converter = av.VideoFrame.from_ndarray(image, format="rgb24"), VideoReformatter()
    decoded = VideoReformatter().reformat(frame, format="yuv420p", threads=1)
    return {
        "a decoded picture to RGB": lambda: to_rgb(decoded),
        "RGB for the encoder": lambda: converter.reformat(
            av.VideoFrame.from_numpy_buffer(image, format="rgb24"), format="yuv420p", threads=1
        ),
    }


def results(found: Instances, image: np.ndarray) -> Parts:
    """Codes alone; and a JSON file of tracks from its first frame to its end."""
    tracked = replace(found, track_ids=torch.arange(1, len(found) + 1))
    info = VideoInfo(image.shape[1], image.shape[0], 1 / STEP, STEP)

    def write() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "tracks.json")
            with open_result("json", path, video_name="in.mp4", info=info, classes=CLASSES) as writer:
                for index in range(NUM_FRAMES):
                    writer.add(Frame(image, index, index, STEP), new(tracked))

    return {"run-length codes": lambda: new(found).masks.rles(), "codes and JSON": write}  # type: ignore[union-attr]


def association(found: Instances) -> Parts:
    """Cost and assignment alone; and all that the default tracker does in a frame."""
    appearance, affinity, table = Appearance("cosine"), Affinity(), TrackTable.empty()
    sightings, seconds, frame = appearance.sightings(found), float(STEP), [0]
    table.fit_widths(sightings)
    table.add(torch.arange(1, len(found) + 1), sightings, torch.arange(len(found)), 0.0)
    tracker = QueryMatchTracker()

    def match() -> None:
        rows, _ = assign(affinity.cost(table, sightings, seconds, appearance), 0.5, weights=sightings.scores)
        assert len(rows) == len(found)

    def update() -> None:
        frame[0] += 1
        tracker.update(new(found), time=frame[0] * seconds)

    return {"matching detections with tracks": match, "the whole update of query_match": update}


def drawing(found: Instances, image: np.ndarray) -> Parts:
    """With trails, as `track` draws."""
    tracked, trails = replace(found, track_ids=torch.arange(1, len(found) + 1)), Trails()
    return {"drawing": lambda: draw_instances(image, new(tracked), classes=CLASSES, trails=trails)}


def main() -> None:
    parser = masks_parser(__doc__, repeat=31)
    parser.add_argument("--in-a-row", action="store_true", help="repeat each part by itself")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = detections(args.masks, (args.height, args.width), args.size)
    image = np.random.default_rng(0).integers(0, 256, (args.height, args.width, 3), dtype=np.uint8)
    with torch.inference_mode():
        parts = conversion(image) | results(found, image) | association(found) | drawing(found, image)
        rounds = [{name: part} for name, part in parts.items()] if args.in_a_row else [parts]
        times = {}
        for some in rounds:
            times |= medians(some, repeat=args.repeat, clock=time.process_time)
    times["codes and JSON"] /= NUM_FRAMES
    aims = {"matching detections with tracks": 0.5, "drawing": 8.0}
    print(f"{args.masks} masks, {args.height} x {args.width}, boxes of about {args.size} heights of the picture, one thread")
    for name, seconds in times.items():
        print(f"{name:34}{1000 * seconds:8.2f} ms" + (f"   (aim: {aims[name]} ms)" if name in aims else ""))
    host = sum(times[name] for name in ("a decoded picture to RGB", "RGB for the encoder", "codes and JSON"))
    print(f"{'conversion, codes and JSON':34}{1000 * host:8.2f} ms   (aim: 4.0 ms)")


if __name__ == "__main__":
    main()
