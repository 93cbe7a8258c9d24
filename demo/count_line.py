"""Counts the objects of a video that cross a line, by direction and class, and those that come into a zone.

    python demo/count_line.py demo/clip.mp4 --line 320,0,320,360 --zone 0,200,640,200,640,360,0,360

An object is where the middle of its box's lower edge is. One that was lost and returned went straight; what has ended is
forgotten, so memory does not grow. Coordinates are pixels; right is as seen from the line's first point to its second.
"""

import argparse
from collections import Counter

import cv2
import numpy as np

from queryinst_vis import load_model
from queryinst_vis.jobs.job import Job, Watcher, run_job
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers.events import ENDED, Event

Point = tuple[float, float]


class LineAndZone(Watcher):
    """crossings: (class, direction) -> number; entered: class -> number; inside: ids of what is in the zone now."""

    def __init__(self, classes: tuple[str, ...], *, line: list[Point] | None = None, zone: list[Point] | None = None) -> None:
        self.crossings: Counter[tuple[str, str]] = Counter()
        self.entered: Counter[str] = Counter()
        self.inside: set[int] = set()
        self._classes, self._line, self._zone = classes, line, None if zone is None else np.array(zone, np.float32)
        self._last: dict[int, Point] = {}  # where each object was seen last

    def frame(self, frame: Frame, instances: Instances) -> None:
        places = ((instances.boxes[:, 0] + instances.boxes[:, 2]) / 2).tolist(), instances.boxes[:, 3].tolist()
        for track_id, label, *place in zip(instances.track_ids.tolist(), instances.labels.tolist(), *places, strict=True):
            here, name = (place[0], place[1]), self._classes[label]
            if self._line and (direction := crossing(self._last.get(track_id, here), here, self._line)):
                self.crossings[name, direction] += 1
            self._look_into_zone(track_id, here, name)
            self._last[track_id] = here

    def _look_into_zone(self, track_id: int, here: Point, name: str) -> None:
        if self._zone is None or cv2.pointPolygonTest(self._zone, here, False) < 0:
            self.inside.discard(track_id)
        elif track_id not in self.inside:
            self.inside.add(track_id)
            self.entered[name] += 1

    def event(self, event: Event) -> None:
        if event.kind == ENDED:
            self._last.pop(event.track_id, None)
            self.inside.discard(event.track_id)


def crossing(before: Point, now: Point, line: list[Point]) -> str:
    """ "left" or "right" when the way between two points crosses the line, to that side of it; else an empty text."""
    was, is_now = side(before, *line) > 0, side(now, *line) > 0
    between = (side(line[0], before, now) > 0) != (side(line[1], before, now) > 0)
    return "" if was == is_now or not between else "right" if is_now else "left"


def side(point: Point, first: Point, second: Point) -> float:
    """Above 0 to the right of the way from the first point to the second, as seen in a picture."""
    return (second[0] - first[0]) * (point[1] - first[1]) - (second[1] - first[1]) * (point[0] - first[0])


def points(text: str) -> list[Point]:
    """x,y,x,y,..."""
    numbers = [float(part) for part in text.split(",")]
    if len(numbers) < 4 or len(numbers) % 2:
        raise argparse.ArgumentTypeError(f"expected x,y,x,y,..., got '{text}'")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--line", type=points, metavar="X,Y,X,Y")
    parser.add_argument("--zone", type=points, metavar="X,Y,X,Y,X,Y,...")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    model = load_model(args.model)
    counts = LineAndZone(model.info.classes, line=args.line, zone=args.zone)
    report = run_job(Job(source=args.video), lambda: model, counts)
    print(f"{report.num_frames} frames")
    for (name, direction), number in sorted(counts.crossings.items()):
        print(f"{name} crossed the line to the {direction}: {number}")
    for name, number in sorted(counts.entered.items()):
        print(f"{name} came into the zone: {number}")


if __name__ == "__main__":
    main()
