"""Objects through a video as runs of pixels on one line: frame after frame, and in each frame column after column.

So all masks of a track are one sorted set of intervals, and what two tracks share is found without looking at single frames.
Nothing is ever decoded to pixels.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from queryinst_vis.ops.run_pairs import RunPairs, run_pairs


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
    """What is wrong with the mask of which track, by its place, in which frame."""

    def __init__(self, problem: str, track: int, frame: int) -> None:
        super().__init__(problem)
        self.track, self.frame = track, frame


def tubes_of(tracks: Sequence[Sequence[Any]], image_hw: tuple[int, int]) -> list[Tube]:
    """Tubes of tracks of one video, each given as a compressed code {size, counts} per frame, None where it is not seen.

    MaskError: something is no such code, or does not fill a frame of `image_hw`.
    """
    try:
        return _tubes_of(tracks, image_hw)
    except ValueError:
        for track, codes in enumerate(tracks):
            for frame, code in enumerate(codes):
                try:
                    _tubes_of([[code]], image_hw)
                except ValueError as error:
                    raise MaskError(str(error), track, frame) from None
        raise


def _tubes_of(tracks: Sequence[Sequence[Any]], image_hw: tuple[int, int]) -> list[Tube]:
    codes = [code for track in tracks for code in track if code is not None]
    frames = [index for track in tracks for index, code in enumerate(track) if code is not None]
    if not codes:
        return [Tube(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0)] * len(tracks)
    runs = run_pairs(_texts(codes, list(image_hw)))
    starts, ends = _on_line(runs, np.array(frames, dtype=np.int64), image_hw)
    areas = np.add.reduceat(runs.ones, runs.firsts, dtype=np.int64)  # of each code
    bounds = np.cumsum([0] + [len(track) - track.count(None) for track in tracks])  # codes of a track lie between two of them
    area, num_visible = (np.diff(np.append(0, np.cumsum(count))[bounds]).tolist() for count in (areas, areas > 0))
    cuts = np.append(runs.firsts, len(ends))[bounds].tolist()
    spans = [slice(*span) for span in pairwise(cuts)]
    return [Tube(starts[span], ends[span], *facts) for span, *facts in zip(spans, area, num_visible, strict=True)]


def intersection(a: Tube, b: Tube) -> int:
    """Pixels that two tubes share.

    With all starts sorted and all ends sorted, two intervals lie over each other from the start after next to the next end.
    """
    starts = np.sort(np.concatenate([a.starts, b.starts]), kind="stable")  # which merges two sorted parts in linear time
    ends = np.sort(np.concatenate([a.ends, b.ends]), kind="stable")
    return int(np.maximum(ends[:-1] - starts[1:], 0).sum())


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
    try:
        wrong = [code["size"] for code in codes if code["size"] != size]
        counts = [code["counts"] for code in codes]
    except (TypeError, KeyError):
        raise ValueError("it is no run-length code {size, counts}") from None
    if any(list(other) != size for other in wrong):
        raise ValueError(f"its size is {wrong[0]}, the video's [height, width] is {size}")
    return [text if isinstance(text, str) else _text(text) for text in counts]


def _text(counts: Any) -> str:
    if not isinstance(counts, bytes):
        raise ValueError(f"its counts must be a compressed code (text), got {type(counts).__name__}")
    return counts.decode("latin-1")


def _on_line(runs: RunPairs, frames: np.ndarray, image_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the runs of ones, [P], each code moved to its frame [N]."""
    pixels = image_hw[0] * image_hw[1]
    lengths = np.add(runs.zeros, runs.ones, dtype=np.int64)
    frame_ends = (frames + 1) * pixels
    lengths[runs.firsts] += np.diff(frame_ends, prepend=0) - pixels  # how far it is from the last code's frame to this one's
    ends = np.cumsum(lengths)
    lasts = np.append(runs.firsts[1:], len(ends)) - 1
    if runs.zeros.min() < 0 or runs.ones.min() < 0 or (ends[lasts] != frame_ends).any():
        raise ValueError(f"its runs do not fill a frame of {image_hw[0]} x {image_hw[1]} pixels")
    return ends - runs.ones, ends
