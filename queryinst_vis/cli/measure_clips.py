"""Run model and tracker over sparsely annotated clips and print how well objects are found and kept apart.

FOLDER holds the clips and `truth.json` (its form: queryinst_vis/evaluation/clips.py).
"""

import argparse
import json
from collections.abc import Iterable
from functools import reduce
from operator import add
from pathlib import Path

from queryinst_vis.checkpoint import load_model
from queryinst_vis.evaluation.clips import ClipScores, ShownFrame, load_truth, measure_clip, shown_frame
from queryinst_vis.evaluation.detection_cache import Timed, load_detections, save_detections
from queryinst_vis.models.base import ImageModel
from queryinst_vis.pipeline import segment_frames
from queryinst_vis.trackers import Tracker, build_tracker
from queryinst_vis.video import open_video

CATEGORIES = ("person", "animal")
_CACHED_MIN_SCORE = 0.05  # no tracker asks for less
_COLUMNS = ("recall person", "recall animal", "same id", "ids/object", "mixed", "ghosts", "false boxes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of clips with truth.json")
    parser.add_argument("--model", default="default", help="name or weights file")
    parser.add_argument("--size", type=int, help="short side of the network's input in pixels; default: the model's")
    parser.add_argument("--tracker", help="default: the model's")
    parser.add_argument("--score-threshold", type=float, help="score a new object needs; default: the model's")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--cache", type=Path, help="folder that keeps the detections; later runs read them there")
    parser.add_argument("--json", type=Path, help="also write the scores to this file")


def run(args: argparse.Namespace) -> int:
    truth = load_truth(args.folder / "truth.json")
    model = load_model(args.model, device=args.device, size=args.size)
    tracker = build_tracker(
        args.tracker or model.info.tracker,
        score_threshold=model.info.score_threshold if args.score_threshold is None else args.score_threshold,
        similarity=model.info.similarity,
    )
    scores = {}
    for name, frames in truth.items():
        detections = _detections(args, model, name) if args.cache else _detect(args.folder / name, model, tracker.min_score)
        shown = _track(detections, tracker, model.info.classes)
        scores[name] = measure_clip(frames, shown, categories=CATEGORIES)
    overall = reduce(add, scores.values(), ClipScores())
    _print_table({**scores, "all": overall})
    if args.json:
        clips = {name: score.to_dict() for name, score in scores.items()}
        args.json.write_text(json.dumps({"clips": clips, "overall": overall.to_dict()}, indent=1) + "\n")
    return 0


def _track(detections: Iterable[Timed], tracker: Tracker, classes: tuple[str, ...]) -> list[ShownFrame]:
    tracker.reset()
    return [shown_frame(tracker.update(found, time=time), time=time, classes=classes) for time, found in detections]


def _detect(path: Path, model: ImageModel, min_score: float) -> Iterable[Timed]:
    with open_video(path) as frames:
        for frame, instances in segment_frames(frames, model, min_score=min_score):
            yield frame.time, instances


def _detections(args: argparse.Namespace, model: ImageModel, name: str) -> Iterable[Timed]:
    """The clip's detections from the cache; they are put there first if they are not."""
    made_by = {"model": str(args.model), "size": model.preprocess.short}
    path = args.cache / f"{name}.detections"
    if not path.exists():
        save_detections(path, made_by, _detect(args.folder / name, model, _CACHED_MIN_SCORE))
    return load_detections(path, made_by)


def _print_table(scores: dict[str, ClipScores]) -> None:
    width = max(map(len, scores))
    print(" ".join([" " * width, *_COLUMNS]))
    for name, score in scores.items():
        shares = (score.recall("person"), score.recall("animal"), score.same_id, score.ids_per_object)
        cells = ["-" if value is None else f"{value:.2f}" for value in shares]
        cells += [str(count) for count in (score.mixed, score.ghosts, score.false)]
        aligned = (cell.rjust(len(column)) for cell, column in zip(cells, _COLUMNS, strict=True))
        print(" ".join([name.ljust(width), *aligned]))
