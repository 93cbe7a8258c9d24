"""How well a video's objects are found and kept apart, against sparse hand-made boxes with identities.

For clips of which only some frames are annotated, so that no AP or HOTA can be computed. What is counted, over annotated frames:
recall (box IoU 0.5, same category), the share of consecutive annotated sightings of an object that carry one id (an object missed
in either counts as not kept), ids per object found, and tracks longer than a second that lie on nothing where a frame is empty.

The annotations are a JSON:
{"clips": {file name: {"frames": [{"index", "objects": [{"id", "category", "box": xyxy}], "ignore": [xyxy]}]}}}
A category is a class name, or COCO's super-category `animal`. `ignore` are regions where something may or may not be shown.
"""

import json
import math
import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from queryinst_vis.data.json_tables import file_name_problem
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.category_map import COCO_SUPER_CATEGORIES
from queryinst_vis.ops.boxes import box_area, box_iou, clip_boxes
from queryinst_vis.structures import Instances

MIN_IOU = 0.5
MIN_GHOST_SECONDS = 1.0
MIN_IGNORED = 0.5  # share of a box inside an ignored region from which it is left out

Box = tuple[float, float, float, float]


class TrueObject(NamedTuple):
    """An annotated object; box xyxy pixels."""

    id: int
    category: str
    box: Box


@dataclass(frozen=True, slots=True)
class TrueFrame:
    """All objects of the annotated categories in one frame."""

    index: int
    objects: tuple[TrueObject, ...]
    ignore: tuple[Box, ...] = ()


class ShownObject(NamedTuple):
    """What a tracker showed in one frame; box xyxy pixels."""

    track_id: int
    class_name: str
    box: Box


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """Tracker output of one frame; time in seconds."""

    time: float
    objects: tuple[ShownObject, ...]


@dataclass(slots=True)
class ClipScores:
    """Counts that add up over clips, and the shares made of them (None where there was nothing to count)."""

    true: Counter[str] = field(default_factory=Counter)  # annotated boxes per category
    found: Counter[str] = field(default_factory=Counter)  # those matched
    pairs: int = 0  # consecutive annotated sightings of one object
    kept_pairs: int = 0  # those with the same id
    objects: int = 0  # objects found at least once
    ids: int = 0  # ids they were given, together
    mixed: int = 0  # tracks that lay on more than one true object
    ghosts: int = 0  # tracks longer than a second, on nothing in an empty frame
    false: int = 0  # boxes shown in annotated frames that match nothing

    def recall(self, category: str) -> float | None:
        return _share(self.found[category], self.true[category])

    @property
    def same_id(self) -> float | None:
        return _share(self.kept_pairs, self.pairs)

    @property
    def ids_per_object(self) -> float | None:
        return _share(self.ids, self.objects)

    def __add__(self, other: "ClipScores") -> "ClipScores":
        return ClipScores(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def to_dict(self) -> dict:
        """Shares and counts for JSON."""
        recalls = {f"recall_{category}": self.recall(category) for category in sorted(self.true)}
        counts = {name: getattr(self, name) for name in ("pairs", "objects", "mixed", "ghosts", "false")}
        return {**recalls, "same_id": self.same_id, "ids_per_object": self.ids_per_object, **counts}


def load_truth(path: Path) -> dict[str, list[TrueFrame]]:
    """Annotated frames of each clip, by file name. UserError: no such file, or not of the form above."""
    try:
        clips = json.loads(path.read_text())["clips"]
        truth = {name: [_true_frame(frame) for frame in clip["frames"]] for name, clip in clips.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(f"{path}: no readable clip annotations ({type(error).__name__}: {error})") from error
    for name in truth:
        if problem := file_name_problem(name):
            raise UserError(f"{path}: {problem}")
    return truth


def _true_frame(frame: Mapping) -> TrueFrame:
    """ValueError and the like: a value is of the wrong kind."""
    objects = tuple(TrueObject(operator.index(o["id"]), str(o["category"]), _box(o["box"])) for o in frame["objects"])
    index = operator.index(frame["index"])
    if index < 0:
        raise ValueError(f"a frame has the index {index}")
    return TrueFrame(index, objects, tuple(_box(box) for box in frame.get("ignore", ())))


def _box(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = map(float, values)
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise ValueError(f"a box has the values {values}")
    return x1, y1, x2, y2


def category_of(class_name: str) -> str:
    """The name annotations use for a class."""
    return "animal" if COCO_SUPER_CATEGORIES.get(class_name) == "animal" else class_name


def shown_frame(instances: Instances, *, time: float, classes: Sequence[str]) -> ShownFrame:
    """Tracker output at `time` seconds with the names of its classes."""
    rows = zip(instances.track_ids.tolist(), instances.labels.tolist(), instances.boxes.tolist(), strict=True)
    return ShownFrame(time, tuple(ShownObject(track_id, classes[label], tuple(box)) for track_id, label, box in rows))


def measure_clip(truth: Sequence[TrueFrame], shown: Sequence[ShownFrame], *, categories: Iterable[str]) -> ClipScores:
    """Scores of one clip.

    truth: its annotated frames, in any order; shown: all its frames in order. categories: those the annotations cover; others are
    left out of the ghosts and false boxes. A frame annotated beyond the last one shown counts as missed.
    """
    named = frozenset(categories)
    scores = ClipScores()
    ids_of: dict[int, list[int | None]] = defaultdict(list)  # per true object: the id it had at each annotated sighting
    for frame in sorted(truth, key=lambda f: f.index):
        visible = shown[frame.index].objects if frame.index < len(shown) else ()
        matches = match_frame(frame.objects, visible)
        for position, true in enumerate(frame.objects):
            ids_of[true.id].append(visible[matches[position]].track_id if position in matches else None)
            scores.true[true.category] += 1
            scores.found[true.category] += position in matches
        scores.false += len(_on_nothing(frame, visible, set(matches.values()), named))
    scores += _identity_scores(ids_of.values())
    scores.ghosts = _count_ghosts(truth, shown, named)
    return scores


def match_frame(true: Sequence[TrueObject], shown: Sequence[ShownObject]) -> dict[int, int]:
    """One-to-one pairs {index of true: index of shown} of one category with box IoU of at least 0.5, of largest total IoU."""
    if not true or not shown:
        return {}
    overlap = box_iou(_boxes(t.box for t in true), _boxes(s.box for s in shown))
    same = torch.tensor([[t.category == category_of(s.class_name) for s in shown] for t in true])
    overlap = torch.where(same & (overlap >= MIN_IOU), overlap, 0)
    rows, columns = linear_sum_assignment(overlap.numpy(), maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if overlap[r, c] > 0}


def _identity_scores(ids_of_objects: Iterable[Sequence[int | None]]) -> ClipScores:
    scores = ClipScores()
    objects_of_track: Counter[int] = Counter()
    for ids in ids_of_objects:
        distinct = {i for i in ids if i is not None}
        scores.pairs += len(ids) - 1
        scores.kept_pairs += sum(a == b and a is not None for a, b in pairwise(ids))
        scores.objects += bool(distinct)
        scores.ids += len(distinct)
        objects_of_track.update(distinct)
    scores.mixed = sum(count > 1 for count in objects_of_track.values())
    return scores


def _count_ghosts(truth: Sequence[TrueFrame], shown: Sequence[ShownFrame], named: frozenset[str]) -> int:
    suspects = {
        ghost.track_id
        for frame in truth
        if not frame.objects and frame.index < len(shown)
        for ghost in _on_nothing(frame, shown[frame.index].objects, set(), named)
    }
    times: dict[int, list[float]] = defaultdict(list)
    for frame in shown:
        for thing in frame.objects:
            times[thing.track_id].append(frame.time)
    return sum(times[i][-1] - times[i][0] > MIN_GHOST_SECONDS for i in suspects)


def _on_nothing(frame: TrueFrame, shown: Sequence[ShownObject], matched: set[int], named: frozenset[str]) -> list[ShownObject]:
    """Shown objects of a named category that match no true one and lie in no ignored region."""
    candidates = [s for i, s in enumerate(shown) if i not in matched and category_of(s.class_name) in named]
    return [s for s in candidates if not _is_ignored(s.box, frame.ignore)]


def _is_ignored(box: Box, regions: Sequence[Box]) -> bool:
    """Whether half of the box lies inside one of the regions."""
    (own,) = _boxes([box])
    for x1, y1, x2, y2 in regions:
        shifted = clip_boxes(own - own.new_tensor([x1, y1, x1, y1]), (y2 - y1, x2 - x1))  # type: ignore[arg-type]
        if box_area(shifted) >= MIN_IGNORED * box_area(own):
            return True
    return False


def _boxes(boxes: Iterable[Box]) -> Tensor:
    return torch.tensor(list(boxes), dtype=torch.float32).reshape(-1, 4)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
