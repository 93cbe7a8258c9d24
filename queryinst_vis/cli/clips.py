"""Run model and tracker over sparsely annotated clips and print how well their objects are found and kept apart."""

import argparse
import json
from collections.abc import Iterable
from functools import reduce
from operator import add
from pathlib import Path

from queryinst_vis.cli.model_options import add_model_arguments, load
from queryinst_vis.evaluation.clips import ClipScores, ShownFrame, load_truth, measure_clip, shown_frame
from queryinst_vis.evaluation.detection_cache import Timed, load_detections, save_detections
from queryinst_vis.models.base import ImageModel
from queryinst_vis.outputs import check_folder, check_new_file, write_whole
from queryinst_vis.pipeline import labels_of, segment_frames
from queryinst_vis.trackers import Tracker, build_tracker
from queryinst_vis.video import open_video

_CATEGORIES = ("person", "animal")  # what is annotated in every frame of the clips
_CACHED_MIN_SCORE = 0.05  # no tracker asks for less
_COLUMNS = ("recall person", "recall animal", "same id", "ids/object", "mixed", "ghosts", "false boxes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="clips and truth.json (see evaluation/clips.py)")
    parser.add_argument(
        "--tracker", metavar="NAME", help="iou, masktrack, memory_bank or query_match (default: what suits the model)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write the scores here")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the detections here, so that the next tracker starts from them"
    )
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[args.folder / "truth.json"])
    if args.cache:
        check_folder(args.cache)
    truth = load_truth(args.folder / "truth.json")
    model = load(args)
    threshold, similarity = model.info.score_threshold, model.info.similarity
    tracker = build_tracker(args.tracker or model.info.tracker, score_threshold=threshold, similarity=similarity)
    scores = {}
    for name, frames in truth.items():
        shown = _track(_detections(args, model, tracker, name), tracker, model.info.classes)
        scores[name] = measure_clip(frames, shown, categories=_CATEGORIES)
    overall = reduce(add, scores.values(), ClipScores())
    _print_table({**scores, "all": overall})
    if args.json:
        clips = {name: score.to_dict() for name, score in scores.items()}
        write_whole({args.json: json.dumps({"clips": clips, "overall": overall.to_dict()}, indent=1) + "\n"})
    return 0


def _track(detections: Iterable[Timed], tracker: Tracker, classes: tuple[str, ...]) -> list[ShownFrame]:
    tracker.reset()
    return [shown_frame(tracker.update(found, time=time), time=time, classes=classes) for time, found in detections]


def _detections(args: argparse.Namespace, model: ImageModel, tracker: Tracker, name: str) -> Iterable[Timed]:
    """Of one clip, from the cache if there is one; what is not in it yet is put there first."""
    labels = labels_of(args.classes, model.info.classes)
    if args.cache is None:
        return _detect(args.folder / name, model, tracker.min_score, labels)
    made_by = {"model": str(args.model), "size": model.preprocess.short, "labels": labels}
    path = args.cache / f"{name}.detections"
    if not path.exists():
        save_detections(path, made_by, _detect(args.folder / name, model, _CACHED_MIN_SCORE, labels))
    return load_detections(path, made_by)


def _detect(path: Path, model: ImageModel, min_score: float, labels: list[int] | None) -> Iterable[Timed]:
    with open_video(path) as frames:
        for frame, instances in segment_frames(frames, model, min_score=min_score, labels=labels):
            yield frame.time, instances


def _print_table(scores: dict[str, ClipScores]) -> None:
    width = max(map(len, scores))
    print("  ".join([" " * width, *_COLUMNS]))
    for name, score in scores.items():
        shares = (score.recall("person"), score.recall("animal"), score.same_id, score.ids_per_object)
        cells = ["-" if value is None else f"{value:.2f}" for value in shares]
        cells += [str(count) for count in (score.mixed, score.ghosts, score.false)]
        aligned = (cell.rjust(len(column)) for cell, column in zip(cells, _COLUMNS, strict=True))
        print("  ".join([name.ljust(width), *aligned]))
