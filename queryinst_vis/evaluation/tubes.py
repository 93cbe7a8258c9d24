"""Objects through a video as runs of pixels on one line: frame after frame, and in each frame column after column.

So all masks of a track are one sorted set of intervals, and what two tracks share is found without looking at single frames.
Nothing is ever decoded to pixels.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from queryinst_vis.ops.run_pairs import RunPairs, run_pairs

_FRAMES_AT_ONCE = 2000  # of all tracks of a block


class Tube(NamedTuple):
    """starts, ends: int64 [R] of its runs, sorted; area: pixels in all frames; num_visible: frames with at least one."""

    starts: np.ndarray
    ends: np.ndarray
    area: int
    num_visible: int

    @property
    def mean_area(self) -> float:
        """Over the frames that show it; 0 when none does."""
        return self.area / max(self.num_visible, 1)


class MaskError(ValueError):
    """What is wrong with the mask of which track, by number, in which frame."""

    def __init__(self, problem: str, track: int, frame: int) -> None:
        super().__init__(problem)
        self.track, self.frame = track, frame


def tubes_of(tracks: Sequence[Sequence[Any]], image_hws: Sequence[tuple[int, int]]) -> Iterator[Tube]:
    """Tubes of tracks in their order, decoded in blocks that take little memory.

    tracks: N times a compressed code {size, counts} per frame, None where the object is not seen; image_hws: N times (height,
    width) of the video. MaskError: something is no such code, or does not fill a frame.
    """
    blocks = np.cumsum(list(map(len, tracks))) // _FRAMES_AT_ONCE
    rows = enumerate(zip(blocks.tolist(), image_hws, strict=True))
    for (_, image_hw), block in groupby(rows, key=itemgetter(1)):
        numbers = [number for number, _ in block]
        try:
            yield from _tubes_of([tracks[number] for number in numbers], image_hw)
        except ValueError:
            raise _first_error(tracks, numbers, image_hw) from None


def _first_error(tracks: Sequence[Sequence[Any]], numbers: Sequence[int], image_hw: tuple[int, int]) -> MaskError:
    for number in numbers:
        for frame, code in enumerate(tracks[number]):
            try:
                _tubes_of([[code]], image_hw)
            except ValueError as error:
                return MaskError(str(error), number, frame)
    raise AssertionError("no single mask is wrong")


def _tubes_of(tracks: Sequence[Sequence[Any]], image_hw: tuple[int, int]) -> list[Tube]:
    """Of some tracks through videos of one size; ValueError: there is something wrong with a mask."""
    items = list(chain.from_iterable(tracks))
    seen = np.flatnonzero(np.fromiter(map(bool, items), bool, len(items)))  # N codes
    begins = np.cumsum([0, *map(len, tracks)])  # items of a track lie between two of them
    frames = seen - np.repeat(begins[:-1], np.diff(begins))[seen]
    runs = run_pairs(_texts(list(filter(None, items)), list(image_hw)))
    starts, ends = _on_line(runs, frames, image_hw)

    areas = np.add.reduceat(runs.ones, runs.firsts, dtype=np.int64) if len(seen) else np.zeros(0, np.int64)  # of each code
    bounds = np.searchsorted(seen, begins)  # codes of a track lie between two of them
    area, num_visible = (np.diff(np.append(0, np.cumsum(count))[bounds]).tolist() for count in (areas, areas > 0))
    cuts = np.append(runs.firsts, len(ends))[bounds].tolist()
    spans = [slice(*cut) for cut in pairwise(cuts)]
    return [Tube(starts[span], ends[span], *facts) for span, *facts in zip(spans, area, num_visible, strict=True)]


def intersection(a: Tube, b: Tube) -> int:
    """Pixels that two tubes share.

    With all starts sorted and all ends sorted, two intervals lie over each other from the start after next to the next end.
    """
    starts, ends = np.concatenate([a.starts, b.starts]), np.concatenate([a.ends, b.ends])
    starts.sort(kind="stable")  # which merges two sorted parts in linear time
    ends.sort(kind="stable")
    shared = ends[:-1] - starts[1:]
    return int(np.maximum(shared, 0, out=shared).sum())


def tube_iou(a: Tube, b: Tube, *, at_least: float = 0.0) -> float:
    """Pixels shared by two tubes over pixels in either, 0 where both are empty; exact to the last bit.

    at_least: a pair that cannot reach it, for its areas differ too much, may get 0 without a look at where they lie.
    """
    small, large = sorted((a.area, b.area))
    if not small or small < at_least * large:
        return 0.0
    shared = intersection(a, b)
    return shared / (small + large - shared)


def _texts(codes: Sequence[Any], size: list[int]) -> list[str]:
    """The `counts` of codes that all have this size."""
    try:
        sizes, counts = (list(map(itemgetter(key), codes)) for key in ("size", "counts"))
    except (TypeError, KeyError):
        raise ValueError("it is no run-length code {size, counts}") from None
    if sizes.count(size) < len(sizes) and (others := [other for other in sizes if other not in (size, tuple(size))]):
        raise ValueError(f"its size is {others[0]}, the video's [height, width] is {size}")
    return counts if set(map(type, counts)) <= {str} else list(map(_text, counts))


def _text(counts: Any) -> str:
    if not isinstance(counts, str | bytes):
        raise ValueError(f"its counts must be a compressed code (text), got {type(counts).__name__}")
    return counts if isinstance(counts, str) else counts.decode("latin-1")


def _on_line(runs: RunPairs, frames: np.ndarray, image_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the runs of ones, [P], each code moved to its frame [N]."""
    pixels = image_hw[0] * image_hw[1]
    lengths = np.add(runs.zeros, runs.ones, dtype=np.int64)
    frame_ends = (frames + 1) * pixels
    lengths[runs.firsts] += np.diff(frame_ends, prepend=0) - pixels  # how far it is from the last code's frame to this one's
    ends = np.cumsum(lengths)
    lasts = np.append(runs.firsts[1:], len(ends)) - 1
    if len(frames) and (runs.zeros.min() < 0 or runs.ones.min() < 0 or (ends[lasts] != frame_ends).any()):
        raise ValueError(f"its runs do not fill a frame of {image_hw[0]} x {image_hw[1]} pixels")
    return ends - runs.ones, ends
