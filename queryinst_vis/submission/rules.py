"""The rules of a YouTube-VIS server, one entry after the other: https://youtube-vos.org/dataset/vis, and its evaluator's code.

An entry is {video_id, category_id, score, segmentations}: as many items as the video has frames, each null or a compressed
run-length code {size: [height, width], counts: text} at the video's own size.
"""

import hashlib
import math
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from queryinst_vis.data.json_tables import Rows, is_whole
from queryinst_vis.data.ytvis_json import describe_video
from queryinst_vis.evaluation.ytvis_results import MAX_PER_CATEGORY
from queryinst_vis.ops.run_pairs import run_pairs
from queryinst_vis.submission.report import Problem, Report, shown, some

KEYS = ("video_id", "category_id", "score", "segmentations")

Fault = tuple[str, str]  # kind of problem, text


@dataclass(frozen=True, slots=True)
class _Video:
    text: str  # id and name
    size: list[int]  # height, width
    num_frames: int


class Rules:
    """Checks entries in the order of their list; what is wrong goes into `report`.

    videos: as read_ytvis gives them. Of entries it keeps a few bytes each, to know them when they come again.
    """

    def __init__(self, videos: Rows, category_ids: Collection[int], report: Report) -> None:
        self._videos = {v["id"]: _Video(describe_video(v), [v["height"], v["width"]], len(v["file_names"])) for v in videos}
        self._category_ids = frozenset(category_ids)
        self._report = report
        self._per_category: Counter[tuple[int, int]] = Counter()
        self._first_too_many: dict[tuple[int, int], int] = {}
        self._seen: dict[bytes, int] = {}
        self._answered: set[int] = set()
        self.num_entries = 0
        self.num_masks = 0

    def check(self, entry: Any, *, has_constants: bool = False) -> None:
        """The next entry. has_constants: NaN or Infinity stood somewhere in its text."""
        position, self.num_entries = self.num_entries, self.num_entries + 1
        video_id = entry.get("video_id") if isinstance(entry, dict) else None
        video = self._videos.get(video_id) if is_whole(video_id) else None
        for kind, text in self._faults(entry, video, position, has_constants=has_constants):
            known = (video_id, video.text) if video else (None, None)
            self._report.add(Problem(kind, text, position, *known))

    def finish(self) -> None:
        """When all entries were checked."""
        if not self.num_entries:
            self._report.add(Problem("no_entries", "the list is empty; the server's evaluator fails on it"))
        for (video_id, category_id), position in self._first_too_many.items():
            count = self._per_category[video_id, category_id]
            text = f"is number {MAX_PER_CATEGORY + 1} of {count} of category {category_id}; only {MAX_PER_CATEGORY} are looked at"
            self._report.add(Problem("too_many", text, position, video_id, self._videos[video_id].text))
        for video_id, video in self._videos.items():
            if self.num_entries and video_id not in self._answered:
                self._report.add(Problem("no_entry", "none", None, video_id, video.text))

    def _faults(self, entry: Any, video: _Video | None, position: int, *, has_constants: bool) -> Iterator[Fault]:
        if not isinstance(entry, dict):
            yield "not_an_object", f"is {shown(entry)}, not an object with {', '.join(KEYS)}"
            return
        for key in KEYS:
            if key not in entry:
                hint = "; 'segmentation' is for pictures" if key == "segmentations" and "segmentation" in entry else ""
                yield "missing_key", f"has no {key!r}{hint}"
        if others := sorted(set(entry) - set(KEYS)):
            yield "other_keys", some([shown(key) for key in others])
        yield from score_faults(entry, has_constants=has_constants)
        yield from self._id_faults(entry, video, position)
        if "segmentations" in entry:
            mask_faults = list(self._mask_faults(entry["segmentations"], video))
            yield from mask_faults
            if video and not mask_faults:
                yield from self._duplicate_faults(entry, position)

    def _id_faults(self, entry: Mapping[str, Any], video: _Video | None, position: int) -> Iterator[Fault]:
        for key, is_known in (("video_id", video is not None), ("category_id", self._has_category(entry))):
            if key in entry and not is_whole(entry[key]):
                yield key, f"{key} is {shown(entry[key])}, must be a whole number"
            elif key in entry and not is_known:
                yield key, f"{key} {shown(entry[key])} is not in the videos' file"
        if video is None:
            return
        self._answered.add(entry["video_id"])
        if self._has_category(entry):
            pair = entry["video_id"], entry["category_id"]
            self._per_category[pair] += 1
            if self._per_category[pair] == MAX_PER_CATEGORY + 1:
                self._first_too_many[pair] = position

    def _has_category(self, entry: Mapping[str, Any]) -> bool:
        category_id = entry.get("category_id")
        return is_whole(category_id) and category_id in self._category_ids

    def _mask_faults(self, masks: Any, video: _Video | None) -> Iterator[Fault]:
        """One fault of each kind at most, for all frames."""
        if not isinstance(masks, list):
            yield "segmentations", f"segmentations are {shown(masks)}, must be a list"
            return
        if video and len(masks) != video.num_frames:
            yield "length", f"{len(masks)} segmentations, the video has {video.num_frames} frames"
        frames = [frame for frame, mask in enumerate(masks) if mask is not None]
        if not frames:
            yield "all_null", "all segmentations are null"
        self.num_masks += len(frames)
        size = video.size if video else None
        faults = {frame: fault for frame in frames if (fault := mask_fault(masks[frame], size))}
        sound = [frame for frame in frames if frame not in faults]
        if video:
            codes = [masks[frame]["counts"] for frame in sound]
            faults |= {sound[index]: fault for index, fault in code_faults(codes, math.prod(video.size)).items()}
        yield from _joined(faults)

    def _duplicate_faults(self, entry: Mapping[str, Any], position: int) -> Iterator[Fault]:
        head = (entry["video_id"], entry.get("category_id"), entry.get("score"))
        digest = hashlib.blake2b(repr(head).encode(), digest_size=16)
        for mask in entry["segmentations"]:
            digest.update(b"," if mask is None else mask["counts"].encode() + b",")  # no code has a comma
        first = self._seen.setdefault(digest.digest(), position)
        if first != position:
            yield "duplicate", f"is the same as entry {first}"


def score_faults(entry: Mapping[str, Any], *, has_constants: bool) -> Iterator[Fault]:
    """What is wrong with an entry's score, if it has one. has_constants: NaN or Infinity stood somewhere in the entry's text."""
    score = entry.get("score", 0)
    if isinstance(score, bool) or not isinstance(score, int | float):
        yield "score", f"score is {shown(score)}, must be a number"
    elif not abs(score) <= sys.float_info.max:  # nor NaN
        yield "score", f"score is {shown(score)}, must be finite"
    elif has_constants:
        yield "not_a_number", "holds NaN or Infinity"


def mask_fault(mask: Any, size: Sequence[int] | None, *, of: str = "video", instead: str = "null or ") -> Fault | None:
    """What is wrong with a mask that is not null, its code aside.

    size: [height, width] of what it is a mask of, None: not known; of: what that is; instead: what else a mask may be.
    """
    if isinstance(mask, list):
        return "polygons", "is a list of polygons; a server takes compressed run-length codes"
    if not isinstance(mask, dict) or "size" not in mask or "counts" not in mask:
        return "mask_type", f"is {shown(mask)}, must be {instead}{{size, counts}}"
    if isinstance(mask["counts"], list):
        return "uncompressed", "counts are a list of numbers, must be a compressed code (text)"
    if not isinstance(mask["counts"], str):
        return "mask_type", f"counts are {shown(mask['counts'])}, must be text"
    if size and (mask["size"] != size or not all(map(is_whole, mask["size"]))):
        swapped = " (width and height are swapped)" if mask["size"] == size[::-1] else ""
        return "mask_size", f"size is {shown(mask['size'])}, the {of}'s [height, width] is {size}{swapped}"
    return None


def code_faults(codes: Sequence[str], num_pixels: int, *, of: str = "a frame") -> dict[int, Fault]:
    """Which of some compressed codes do not describe a picture of so many pixels, or an empty one: index -> what is wrong.

    of: what the picture is, for the texts.
    """
    if not codes:
        return {}
    try:
        zeros, ones, firsts = run_pairs(codes)
    except ValueError as error:
        if len(codes) == 1:
            return {0: ("mask_code", str(error))}
        return {index: fault for index, code in enumerate(codes) for fault in code_faults([code], num_pixels, of=of).values()}
    areas = np.add.reduceat(ones, firsts, dtype=np.int64)
    covered = areas + np.add.reduceat(zeros, firsts, dtype=np.int64)
    least = np.minimum.reduceat(np.minimum(zeros, ones), firsts)
    faults: dict[int, Fault] = {}
    for index in np.flatnonzero((least < 0) | (covered != num_pixels) | (areas == 0)).tolist():
        if least[index] < 0:
            faults[index] = "mask_code", "it has a run of a negative length"
        elif covered[index] != num_pixels:
            faults[index] = "mask_code", f"its runs cover {covered[index]} pixels, {of} has {num_pixels}"
        else:
            faults[index] = "empty_mask", "has no pixel"
    return faults


def _joined(faults: Mapping[int, Fault]) -> Iterable[Fault]:
    """Faults of frames, each kind once, with the first frame's text."""
    by_kind: dict[str, list[int]] = {}
    for frame in sorted(faults):
        by_kind.setdefault(faults[frame][0], []).append(frame)
    for kind, frames in by_kind.items():
        more = f" and in {len(frames) - 1} more frames" if len(frames) > 1 else ""
        yield kind, f"frame {frames[0]}{more}: {faults[frames[0]][1]}"
