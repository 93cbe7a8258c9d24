"""Objects on a picture: tinted masks with crisp outlines, labels on their own ground, and where an object came from.

Everything scales with the picture and is worked out inside each object's window only: twenty on 720p take about 6 ms.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from queryinst_vis.masks import Window
from queryinst_vis.structures import Instances
from queryinst_vis.visualization.palette import Colour, colour_of, text_colour_on

_TINT = 0.45  # how much of a mask's pixel is the object's colour
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes in pixels for one size of picture."""

    line: int
    text_scale: float
    text_line: int
    padding: int

    @classmethod
    def for_picture(cls, image_hw: tuple[int, int]) -> "Style":
        """Thin on small pictures, still visible on 4K ones."""
        side = (image_hw[0] * image_hw[1]) ** 0.5
        return cls(
            line=max(round(side / 600), 1),
            text_scale=max(side / 1900, 0.35),
            text_line=max(round(side / 1000), 1),
            padding=max(round(side / 300), 2),
        )


def draw_instances(
    image: np.ndarray, instances: Instances, *, classes: Sequence[str] = (), trails: "Trails | None" = None
) -> np.ndarray:
    """A copy of a picture with its objects drawn.

    image: uint8 [H, W, 3] RGB, the picture `instances` speaks of. Colours follow track_ids where set, else the row. classes:
    names in label order. trails: carried along a video; takes in these instances and is drawn too.
    """
    if image.shape[:2] != instances.image_hw:
        raise ValueError(f"instances of a picture of {instances.image_hw} cannot be drawn on one of {image.shape[:2]}")
    canvas, style = image.copy(), Style.for_picture(image.shape[:2])
    if trails is not None:
        trails.add(instances)
        trails.draw(canvas, style)
    boxes = instances.boxes.round().int().tolist()
    colours = [colour_of(number) for number in _numbers(instances)]
    if instances.masks is None:
        for box, colour in zip(boxes, colours, strict=True):
            cv2.rectangle(canvas, box[:2], box[2:], colour, style.line + 1, cv2.LINE_AA)
    else:
        _draw_masks(canvas, list(instances.masks.windows()), colours, style)
    _draw_labels(canvas, boxes, _labels(instances, classes), colours, style)
    return canvas


class Trails:
    """The paths of box centres, a limited way back, of the objects seen lately."""

    def __init__(self, *, length: int = 40) -> None:
        """length: frames a path reaches back, and frames after which an unseen object's path is gone."""
        self._length = length
        self._frame = 0
        self._paths: dict[int, deque[tuple[int, int, int]]] = {}  # id -> (frame, x, y), oldest first

    def add(self, instances: Instances) -> None:
        """The next frame's objects; those without track ids leave no trail."""
        self._frame += 1
        if instances.track_ids is not None:
            centres = ((instances.boxes[:, :2] + instances.boxes[:, 2:]) / 2).round().int().tolist()
            for track_id, (x, y) in zip(instances.track_ids.tolist(), centres, strict=True):
                self._paths.setdefault(track_id, deque()).append((self._frame, x, y))
        for track_id, path in list(self._paths.items()):
            while path and path[0][0] <= self._frame - self._length:
                path.popleft()
            if not path:
                del self._paths[track_id]

    def draw(self, canvas: np.ndarray, style: Style) -> None:
        """Lines that get thicker towards now and end in a dot where the object is or was last, onto a picture [H, W, 3]."""
        for track_id, path in self._paths.items():
            points = np.array([(x, y) for _, x, y in path], dtype=np.int32)
            half = len(points) // 2
            cv2.polylines(canvas, [points[: half + 1]], False, colour_of(track_id), max(style.line - 1, 1), cv2.LINE_AA)
            cv2.polylines(canvas, [points[half:]], False, colour_of(track_id), style.line, cv2.LINE_AA)
            cv2.circle(canvas, points[-1].tolist(), style.line + 2, colour_of(track_id), cv2.FILLED, cv2.LINE_AA)


def _numbers(instances: Instances) -> list[int]:
    return list(range(len(instances))) if instances.track_ids is None else instances.track_ids.tolist()


def _labels(instances: Instances, classes: Sequence[str]) -> list[str]:
    """`name #id 0.87`."""
    ids = [""] * len(instances) if instances.track_ids is None else [f" #{i}" for i in instances.track_ids.tolist()]
    rows = zip(instances.labels.tolist(), ids, instances.scores.tolist(), strict=True)
    return [f"{classes[label] if label < len(classes) else label}{number} {score:.2f}" for label, number, score in rows]


def _draw_masks(canvas: np.ndarray, windows: Sequence[Window], colours: Sequence[Colour], style: Style) -> None:
    """Large ones first, so that a cup is not tinted like the table it stands on; outlines over all."""
    filled = [(window, colour) for window, colour in zip(windows, colours, strict=True) if window.bitmap.size]
    room = np.empty(max((3 * window.bitmap.size for window, _ in filled), default=0), dtype=np.uint8)
    for window, colour in sorted(filled, key=lambda pair: -pair[0].bitmap.size):
        _tint(canvas, window, colour, room)
    for window, colour in filled:
        _outline(canvas, window, colour, style.line)


def _tint(canvas: np.ndarray, window: Window, colour: Colour, room: np.ndarray) -> None:
    """room: uint8, to work in, of three times the window's pixels at least."""
    height, width = window.bitmap.shape
    part = canvas[window.top : window.top + height, window.left : window.left + width]
    tinted = room[: 3 * height * width].reshape(height, width, 3)
    cv2.convertScaleAbs(part, dst=tinted, alpha=1 - _TINT)
    cv2.add(tinted, np.array([*colour, 0]) * _TINT, dst=tinted)
    cv2.copyTo(tinted, window.bitmap.view(np.uint8), part)


def _outline(canvas: np.ndarray, window: Window, colour: Colour, line: int) -> None:
    bitmap, corner = window.bitmap.view(np.uint8), (window.left, window.top)
    contours, _ = cv2.findContours(bitmap, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1, offset=corner)
    cv2.polylines(canvas, contours, True, colour, line, cv2.LINE_AA)


def _draw_labels(canvas: np.ndarray, boxes: list[list[int]], labels: list[str], colours: list[Colour], style: Style) -> None:
    """Each above its box, or where there is room; the most certain first."""
    taken: list[tuple[int, int, int, int]] = []
    for box, label, colour in zip(boxes, labels, colours, strict=True):
        (width, height), baseline = cv2.getTextSize(label, _FONT, style.text_scale, style.text_line)
        size = (width + 2 * style.padding, height + baseline + style.padding)
        left, top = _free_place(box, size, canvas.shape[:2], taken)
        taken.append((left, top, left + size[0], top + size[1]))
        cv2.rectangle(canvas, (left, top), (left + size[0] - 1, top + size[1] - 1), colour, cv2.FILLED)
        origin = (left + style.padding, top + height + style.padding // 2 + baseline // 3)
        cv2.putText(canvas, label, origin, _FONT, style.text_scale, text_colour_on(colour), style.text_line, cv2.LINE_AA)


def _free_place(
    box: list[int], size: tuple[int, int], image_hw: tuple[int, int], taken: list[tuple[int, int, int, int]]
) -> tuple[int, int]:
    """(left, top) of a label inside the picture: above the box, inside its top, or below, where no other label is yet."""
    places = []
    for top in (box[1] - size[1], box[1], box[3], box[3] - size[1]):
        left = min(max(box[0], 0), max(image_hw[1] - size[0], 0))
        places.append((left, min(max(top, 0), max(image_hw[0] - size[1], 0))))
    free = (place for place in places if not any(_overlap((*place, place[0] + size[0], place[1] + size[1]), t) for t in taken))
    return next(free, places[0])


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
