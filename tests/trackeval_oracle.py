"""Random sets of annotations and results, measured by TrackEval: all that comes before its metrics is written a second time, with
dense masks.

    python tests/trackeval_oracle.py FOLDER   writes tests/golden/identity.json, with TrackEval from FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from dense_tracks import HEIGHT, WIDTH, Masks, annotations, rectangle, results
from scipy.optimize import linear_sum_assignment

GOLDEN = Path(__file__).parent / "golden" / "identity.json"


class RandomSet(NamedTuple):
    """sequences: what TrackEval's metrics take, by video and category."""

    annotations: dict
    results: list[dict]
    sequences: dict[tuple[int, int], dict[str, Any]]


def random_set(seed: int, *, complete: bool = False) -> RandomSet:
    """Objects come and go, tracks lose and exchange them. complete: no object is ever absent and every frame has tracks."""
    rng = np.random.default_rng(seed)
    lengths = {video_id: int(rng.integers(1, 12)) for video_id in range(1, rng.integers(2, 5))}
    objects, tracks, sequences = [], [], {}
    for key in [(video_id, category_id) for video_id in lengths for category_id in (1, 2)]:
        length, presence = lengths[key[0]], 1.0 if complete else 0.8
        true = [_path(rng, length, presence) for _ in range(rng.integers(0, 4))]
        found = [_disturbed(rng, true, length, presence) for _ in range(rng.integers(0, 5))]
        crowds = [] if complete else [_path(rng, length, 0.8) for _ in range(rng.integers(0, 3))]
        objects += [(*key, masks) for masks in true] + [(*key, masks, 1) for masks in crowds]
        tracks += [(*key, masks) for masks in found]
        sequences[key] = _sequence(true, found, crowds, length)
    return RandomSet(annotations(*objects, lengths=lengths), results(*tracks), sequences)


def _path(rng: np.random.Generator, length: int, presence: float) -> Masks:
    start, step, size = rng.uniform(0, 16, 2), rng.uniform(-1, 1, 2), rng.integers(5, 12, 2)
    places = np.clip(start + step * np.arange(length)[:, None], 0, 14).astype(int)
    return [rectangle(*place, *size) if rng.random() < presence else None for place in places]


def _disturbed(rng: np.random.Generator, true: list[Masks], length: int, presence: float) -> Masks:
    """Follows one object and then maybe another, shifted, or nothing at all."""
    if not true:
        return _path(rng, length, presence)
    masks: Masks = []
    followed = rng.integers(len(true))
    for index in range(length):
        followed = rng.integers(len(true)) if rng.random() < 0.15 else followed
        mask = true[followed][index]
        masks.append(None if mask is None or rng.random() > presence else np.roll(mask, rng.integers(-2, 3, 2), (0, 1)))
    return masks


def _sequence(true: list[Masks], found: list[Masks], crowds: list[Masks], length: int) -> dict[str, Any]:
    frames = [_frame(true, found, crowds, index) for index in range(length)]
    gt_ids, tracker_ids, similarities = map(list, zip(*frames, strict=True))
    for ids in (gt_ids, tracker_ids):  # numbers without gaps, as TrackEval wants them
        used = np.unique(np.concatenate(ids))
        ids[:] = [np.searchsorted(used, part) for part in ids]
    return {
        "gt_ids": gt_ids,
        "tracker_ids": tracker_ids,
        "similarity_scores": similarities,
        "num_gt_ids": len(np.unique(np.concatenate(gt_ids))),
        "num_tracker_ids": len(np.unique(np.concatenate(tracker_ids))),
        "num_gt_dets": sum(map(len, gt_ids)),
        "num_tracker_dets": sum(map(len, tracker_ids)),
        "num_timesteps": length,
    }


def _frame(true: list[Masks], found: list[Masks], crowds: list[Masks], index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    objects, tracks = ([i for i, masks in enumerate(rows) if masks[index] is not None] for rows in (true, found))
    first, second = ([rows[i][index] for i in ids] for rows, ids in ((true, objects), (found, tracks)))
    iou = np.array([[(a & b).sum() / (a | b).sum() for b in second] for a in first]).reshape(len(first), len(second))
    crowd = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for masks in crowds:
        crowd |= masks[index] if masks[index] is not None else False
    rows, columns = linear_sum_assignment(-np.where(iou >= 0.5, iou, -10000))
    matched = {column for row, column in zip(rows, columns, strict=True) if iou[row, column] >= 0.5}
    kept = [i for i, mask in enumerate(second) if i in matched or (mask & crowd).sum() <= 0.5 * mask.sum()]
    return np.array(objects, dtype=int), np.array([tracks[i] for i in kept], dtype=int), iou[:, kept]


def trackeval_numbers(sequences: dict[tuple[int, int], dict[str, Any]]) -> dict[str, float]:
    """Each category's videos together, then the categories together."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    numbers: dict[str, Any] = {}
    for metric in (HOTA(), CLEAR(quiet), Identity(quiet)):
        of_class = {}
        for category_id in {category_id for _, category_id in sequences}:
            of_videos = {key: metric.eval_sequence(data) for key, data in sequences.items() if key[1] == category_id}
            of_class[category_id] = metric.combine_sequences(of_videos)
        numbers |= metric.combine_classes_det_averaged(of_class)
    named = {name: numbers[name].mean() for name in ("HOTA", "DetA", "AssA", "LocA")}
    named |= {"MOTSA": numbers["MOTA"], "sMOTSA": numbers["sMOTA"]} | {name: numbers[name] for name in ("IDF1", "IDSW", "Frag")}
    return {name: float(value) for name, value in named.items()}


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    GOLDEN.write_text(json.dumps([trackeval_numbers(random_set(seed).sequences) for seed in range(20)], indent=1) + "\n")
