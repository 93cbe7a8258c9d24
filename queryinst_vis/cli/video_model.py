"""The model and the tracker of a command that takes `[CONFIG] WEIGHTS [key=value ...]`."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queryinst_vis.cli.values import probability
from queryinst_vis.config import load_config
from queryinst_vis.errors import UserError

if TYPE_CHECKING:
    from queryinst_vis.models.base import ImageModel
    from queryinst_vis.trackers import Tracker
    from queryinst_vis.training.recipe import Recipe

_FPS = 6.0  # YouTube-VIS lists every fifth frame of 30 a second
_SCORE_THRESHOLD = 0.05  # average precision gains from weak objects that a viewer would not want to see
_DECISIVE = ("model", "info", "tracker", "classes")  # settings that what is found depends on


def add_video_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="+",
        metavar="[CONFIG] WEIGHTS [key=value ...]",
        help="a config, weights (a file, or the name of a published model), settings of the config to change; "
        "weights that describe themselves need no config",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    group = parser.add_argument_group("without CONFIG")
    group.add_argument("--tracker", metavar="NAME", help="default: what suits the model")
    group.add_argument(
        "--score-threshold", type=probability, metavar="X", help=f"least score of an object (default: {_SCORE_THRESHOLD})"
    )


@dataclass(frozen=True, slots=True)
class VideoModel:
    """What was asked for; nothing is loaded yet. recipe: of the config, if there is one."""

    weights: str
    config: str | None
    recipe: "Recipe | None"
    settings: dict[str, Any]  # all that decides what is found in a video, the weights aside
    fps: float  # of the frames that data sets list
    tracker: str | None = None
    score_threshold: float | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> "VideoModel":
        """UserError: options that do not go together, or a fault in the config."""
        overrides = [name for name in args.names if "=" in name and not Path(name).exists()]
        names = [name for name in args.names if name not in overrides]
        if not 1 <= len(names) <= 2:
            raise UserError(f"expected [CONFIG] WEIGHTS [key=value ...], got {' '.join(args.names)}")
        if len(names) == 1:
            return cls._described(names[0], overrides, args)
        return cls._configured(names[0], names[1], overrides, args)

    @classmethod
    def _described(cls, weights: str, overrides: list[str], args: argparse.Namespace) -> "VideoModel":
        if overrides:
            raise UserError(f"{overrides[0]} changes a config, and none is given: CONFIG {weights} {overrides[0]}")
        threshold = _SCORE_THRESHOLD if args.score_threshold is None else args.score_threshold
        settings = {"tracker": args.tracker, "score_threshold": threshold, "fps": _FPS}
        return cls(weights, None, None, settings, _FPS, args.tracker, threshold)

    @classmethod
    def _configured(cls, config: str, weights: str, overrides: list[str], args: argparse.Namespace) -> "VideoModel":
        from queryinst_vis.runner import build_recipe

        if args.tracker or args.score_threshold is not None:
            raise UserError("--tracker and --score-threshold are for weights without a config; change tracker.NAME=VALUE of it")
        cfg = load_config(config, overrides)
        recipe = build_recipe(cfg)
        videos = recipe.val_dataset if isinstance(recipe.val_dataset, dict) else {}
        fps = float(videos.get("fps", _FPS))
        settings = {name: value for name, value in cfg.to_dict().items() if name in _DECISIVE}
        return cls(weights, config, recipe, settings | {"fps": fps}, fps)

    def load(self, device: str) -> "tuple[ImageModel, Tracker]":
        """Both ready to run. UserError: the weights do not fit, or do not name their classes."""
        if self.recipe is None:
            return self._load_described(device)
        return self._load_configured(self.recipe, device)

    def _load_described(self, device: str) -> "tuple[ImageModel, Tracker]":
        from queryinst_vis.acceleration import accelerate
        from queryinst_vis.checkpoint import load_model
        from queryinst_vis.trackers import build_tracker

        model = load_model(self.weights, device=device)
        info = model.info
        if not info.classes:
            raise UserError(
                f"{self.weights} does not name its classes; give the config it was trained with: CONFIG {self.weights}"
            )
        threshold = info.score_threshold if self.score_threshold is None else self.score_threshold
        tracker = build_tracker(self.tracker or info.tracker, score_threshold=threshold, similarity=info.similarity)
        return accelerate(model), tracker

    def _load_configured(self, recipe: "Recipe", device: str) -> "tuple[ImageModel, Tracker]":
        from queryinst_vis.acceleration import accelerate
        from queryinst_vis.device import select_device
        from queryinst_vis.runner import build_tracker_of, build_trained_model

        model = build_trained_model(recipe, self.weights)
        if not model.info.classes:
            raise UserError(f"neither {self.weights} nor {self.config} names the classes; give classes=[...]")
        tracker = build_tracker_of(recipe, model)
        return accelerate(model.to(select_device(device))), tracker
