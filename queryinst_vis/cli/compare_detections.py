"""Where `compare` takes detections from, a model or the simulated detector, and how it keeps them so that each is made once."""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queryinst_vis.cli.model_options import load
from queryinst_vis.data.videos import YtvisVideos
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.category_map import CategoryMap
from queryinst_vis.evaluation.detection_cache import Timed, load_detections, save_detections
from queryinst_vis.evaluation.simulated import SimulatedDetector, parse_difficulty
from queryinst_vis.model_zoo import weights_path
from queryinst_vis.models.base import ModelInfo
from queryinst_vis.pipeline import labels_of, segment_frames


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections of any of the videos. title: what a table says about them; facts: all they depend on beside the video."""

    title: str
    is_simulated: bool
    info: ModelInfo
    categories: CategoryMap
    facts: dict[str, Any]
    detect: Callable[[int, float], Iterator[Timed]]  # of a video id and a minimal score

    def stored(self, folder: Path, video: Mapping[str, Any], *, min_score: float) -> list[Timed]:
        """All frames of a video; made first if the folder does not have them. UserError: it has those of something else."""
        path = folder / f"video_{video['id']}.detections"
        made_by = {**self.facts, "min_score": min_score, "file_names": video["file_names"]}
        if not path.exists():
            save_detections(path, made_by, self.detect(video["id"], min_score))
        return list(load_detections(path, made_by))


def detections_of(args: argparse.Namespace, content: Mapping[str, Any], on_frame: Callable[[], None]) -> Detections:
    """What the options ask for. UserError: one line."""
    return _model(args, content, on_frame) if args.simulate is None else _simulated(args, content, on_frame)


def _simulated(args: argparse.Namespace, content: Mapping[str, Any], on_frame: Callable[[], None]) -> Detections:
    _check_no_model(args)
    difficulty = parse_difficulty(args.simulate)
    detector = SimulatedDetector(content, difficulty, seed=args.seed)

    def detect(video_id: int, min_score: float) -> Iterator[Timed]:
        for index, instances in enumerate(detector.detect(video_id, min_score=min_score)):
            on_frame()
            yield index / args.fps, instances

    info = ModelInfo(classes=detector.classes, similarity=difficulty.similarity)
    if args.score_threshold is not None:
        info.score_threshold = args.score_threshold
    words = " ".join(args.simulate) or "medium"
    facts = {"simulated": repr(difficulty), "seed": args.seed, "fps": args.fps, "annotations": _digest(args.annotations)}
    categories = CategoryMap(detector.classes, content["categories"])
    return Detections(f"simulated detections ({words}, seed {args.seed})", True, info, categories, facts, detect)


def _check_no_model(args: argparse.Namespace) -> None:
    """UserError: an option that only a model or its pictures have a use for."""
    asked = {"model": args.model != "default", "device": args.device != "auto", "super-categories": args.super_categories}
    asked |= {name: getattr(args, name) is not None for name in ("images", "config", "size", "classes")}
    if names := [f"--{name}" for name, is_asked in asked.items() if is_asked]:
        raise UserError(f"--simulate makes detections without a model, so {', '.join(names)} would do nothing; leave one out")


def _model(args: argparse.Namespace, content: Mapping[str, Any], on_frame: Callable[[], None]) -> Detections:
    if args.images is None:
        raise UserError("give --images DIR, the folder with the videos' pictures, or --simulate to do without a model")
    videos = YtvisVideos(args.annotations, args.images, fps=args.fps)
    samples = {sample.video_id: sample for sample in map(videos.__getitem__, range(len(videos)))}
    model = load(args)
    labels = labels_of(args.classes, model.info.classes)
    categories = CategoryMap(model.info.classes, content["categories"], super_categories=args.super_categories)

    def detect(video_id: int, min_score: float) -> Iterator[Timed]:
        for frame, instances in segment_frames(samples[video_id].frames(), model, min_score=min_score, labels=labels):
            on_frame()
            yield frame.time, instances

    facts = {
        "model": _digest(weights_path(args.model)),
        "size": model.preprocess.short,
        "labels": labels,
        "fps": args.fps,
        "images": str(args.images.resolve()),
    }
    return Detections(f"model {args.model}", False, model.info, categories, facts, detect)


def _digest(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
