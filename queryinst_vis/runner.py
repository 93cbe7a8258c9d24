"""A config to a running training: mmengine's Runner over built objects, so nothing is looked up by name while it runs."""

import gc
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
import torch.distributed as dist
from mmengine import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator
from mmengine.hooks import LoggerHook
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend, TensorboardVisBackend, Visualizer
from torch import nn
from torch.utils.data import Dataset

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.config import build, construct
from queryinst_vis.data.loading import JoinedDataset, SampleLoader, TrainBatches, ValidationBatches
from queryinst_vis.errors import UserError
from queryinst_vis.limits import misfit
from queryinst_vis.model_zoo import weights_path
from queryinst_vis.models.base import ImageModel
from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.safe_load import safe_load
from queryinst_vis.trackers import Tracker, build_tracker
from queryinst_vis.training.checkpoints import Checkpoints, ExportWeights, checkpoints
from queryinst_vis.training.class_map_start import fit_class_map
from queryinst_vis.training.classes import check_dataset_classes, check_measured_classes, check_model_classes, check_same
from queryinst_vis.training.data_notes import data_notes
from queryinst_vis.training.ema import AveragedWeights
from queryinst_vis.training.evaluation import check_metric_name
from queryinst_vis.training.hooks import Console, StopAtNonFiniteLoss
from queryinst_vis.training.loops import EvaluationLoop, TrainLoop
from queryinst_vis.training.model import TrainingModel
from queryinst_vis.training.on_cpu import fit_to_cpu
from queryinst_vis.training.optimizer import batch_size_note, build_optimizer
from queryinst_vis.training.recipe import Recipe, RecipeError
from queryinst_vis.training.starting_weights import load_starting_weights
from queryinst_vis.weights_file import read_weights


class TrainRunner(Runner):
    """mmengine's Runner; reads checkpoints without running their code, trains on several CPUs too, leaves the console alone."""

    def load_checkpoint(self, filename: str, map_location: Any = "cpu", strict: bool = True, revise_keys: Sequence = ()) -> dict:
        checkpoint = safe_load(filename)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model = self.model.module if self.distributed else self.model
        model.load_state_dict(checkpoint["state_dict"])
        return checkpoint

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """The model is on its device. Its loss reaches every parameter, whatever is in the batch."""
        return MMDistributedDataParallel(model, broadcast_buffers=False) if self.distributed else model

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **options: Any) -> MMLogger:
        logger = super().build_logger(log_level, log_file, **options)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.ERROR)  # mmengine warns of itself
        return logger

    def _log_env(self, env_cfg: dict) -> None:
        self.logger.info(f"torch {torch.__version__}, seed {self.seed}, {self.world_size} processes")

    def dump_config(self) -> None:
        """Nothing: build_runner() has written the config with its overrides."""


def build_runner(
    cfg: Config, work_dir: str | Path, *, resume: bool = False, stop_asked: Callable[[], bool] = lambda: False
) -> Runner:
    """A training that is ready to `train()`; joins the other processes when started by torchrun.

    resume: go on from the newest checkpoint in `work_dir`, or begin when there is none. stop_asked: asked after every step; when
    it says so, a checkpoint is saved and `train()` raises TrainingStopped. Raises UserError for settings that do not fit, or when
    a training without `resume` would overwrite another one's checkpoints.
    """
    recipe = build_recipe(cfg)
    recipe.require("train_dataset", "optimizer", "schedule")
    work_dir = Path(work_dir)
    newest = _newest_checkpoint(work_dir, resume=resume)
    device, rank, world_size = _join_processes()
    loader = _train_loader(recipe, rank=rank, world_size=world_size)
    model = build_model(recipe, classes=getattr(loader.dataset, "classes", ()), for_weights=newest is not None)
    check_dataset_classes("train_dataset", loader.dataset, model.info.classes)
    fit_to_cpu(model.to(device))
    fitted = None if newest else fit_class_map(model, loader.dataset, seed=recipe.seed)
    notes = [line for line in (batch_size_note(recipe), *data_notes(loader.dataset, model), fitted) if line]
    optimizer = build_optimizer(recipe, model)
    schedule = build(recipe.schedule)
    averaged = AveragedWeights(recipe.ema, accumulate=recipe.accumulate) if recipe.ema else None
    runner = TrainRunner(
        TrainingModel(model, build_tracker_of(recipe, model)),
        str(work_dir),
        train_dataloader=loader,
        train_cfg={"type": TrainLoop, "max_iters": recipe.num_iterations(len(loader)), "val_interval": recipe.val_every},
        optim_wrapper=optimizer,
        param_scheduler=schedule.schedulers(
            optimizer, epochs=recipe.epochs, iters_per_epoch=len(loader), iterations=recipe.iterations
        ),
        **_validation(recipe, model, rank=rank, world_size=world_size),
        default_hooks={"logger": LoggerHook(interval=recipe.log_every), "sampler_seed": None, "checkpoint": None},
        custom_hooks=_hooks(recipe, work_dir, averaged, _checkpoints(recipe, work_dir, len(loader), stop_asked), notes),
        load_from=newest and str(newest),
        resume=newest is not None,
        launcher="pytorch" if world_size > 1 else "none",
        env_cfg={},
        visualizer=_visualizer(),
        randomness={"seed": recipe.seed},
        experiment_name=f"{work_dir.name}_{uuid4().hex[:8]}",  # mmengine keeps logs of equal names together
    )
    if rank == 0:
        _write_config(cfg, work_dir / "config.json")
    return runner


def build_recipe(cfg: Config) -> Recipe:
    """The settings of a config, checked."""
    if wrong := misfit(Recipe, cfg):
        raise RecipeError(wrong)
    return construct(Recipe, dict(cfg))


def build_model(recipe: Recipe, *, classes: Sequence[str] = (), for_weights: bool = False) -> ImageModel:
    """The recipe's model with its initial weights, by its seed, and what it is to know of itself.

    classes: names in label order, unless the recipe says. for_weights: as of `build`.
    """
    torch.manual_seed(recipe.seed)
    model = build(recipe.model, for_weights=for_weights)
    if not isinstance(model, ImageModel):
        raise UserError(f"model builds a {type(model).__name__}, expected an ImageModel")
    if recipe.info:
        model.info = build(recipe.info)
    model.info.classes = tuple(model.info.classes or classes or recipe.classes)
    check_model_classes(model, recipe.classes)
    _check_info(model)
    sources = recipe.load_from if isinstance(recipe.load_from, list | tuple) else [recipe.load_from]
    for source in filter(None, sources):
        report = load_starting_weights(
            model, source, allow_shape_mismatch=recipe.allow_shape_mismatch, classes=recipe.load_classes
        )
        if is_main_process():
            print(report)
    return model


def build_trained_model(recipe: Recipe, weights: str | Path) -> ImageModel:
    """The recipe's model with these weights instead of those it starts a training from. Raises UserError when they do not fit."""
    model = build_model(replace(recipe, load_from=None), for_weights=True)
    trained = read_weights(weights_path(weights)).info.classes
    model.info.classes = model.info.classes or trained
    check_same(f"the classes of {weights}", trained, "the config's", model.info.classes)
    report = load_weights(model, weights)
    if not report.is_complete:
        raise UserError(f"{weights} does not hold all of the config's model: {' '.join(str(report).split())}")
    return model


def build_tracker_of(recipe: Recipe, model: ImageModel) -> Tracker:
    """The recipe's tracker, by default the model's own, for embeddings as the model gives them. Raises UserError."""
    settings = {name: build(value) for name, value in (recipe.tracker or {"type": model.info.tracker}).items()}
    kind = settings.pop("type")
    name = next((name for name in available(TRACKERS) if TRACKERS.module_dict[name] is kind), kind)
    threshold = settings.pop("score_threshold", model.info.score_threshold)
    return build_tracker(str(name), score_threshold=threshold, similarity=model.info.similarity, **settings)


def _check_info(model: ImageModel) -> None:
    """UserError: the tracker that a model names does not exist, or cannot compare embeddings as the model makes them."""
    build_tracker(model.info.tracker, score_threshold=model.info.score_threshold, similarity=model.info.similarity)
    head = getattr(model, "track_head", None)
    if head is not None and head.criterion.similarity != model.info.similarity:
        raise UserError(
            f"info.similarity={model.info.similarity!r}, but the track_head's embeddings are made for "
            f"{head.criterion.similarity!r}"
        )


def build_dataset(specs: Any) -> Dataset:
    """The dataset of a config, several joined to one."""
    built = build(specs)
    if not isinstance(built, list | tuple):
        return built
    if len(built) == 1:
        return built[0]
    return JoinedDataset(built)


def validation_parts(recipe: Recipe, *, rank: int = 0, world_size: int = 1) -> tuple[SampleLoader, Evaluator]:
    """Every validation sample once, and what measures them."""
    recipe.require("val_dataset", "val_metric")
    dataset = build_dataset(recipe.val_dataset)
    batches = ValidationBatches(len(dataset), recipe.val_batch_size, rank=rank, world_size=world_size)  # type: ignore[arg-type]
    return SampleLoader(dataset, batches, num_workers=recipe.num_workers), Evaluator(build(recipe.val_metric))


def _train_loader(recipe: Recipe, *, rank: int, world_size: int) -> SampleLoader:
    dataset = build_dataset(recipe.train_dataset)
    batches = TrainBatches(
        len(dataset),  # type: ignore[arg-type]
        recipe.batch_size,
        seed=recipe.seed,
        aspect_ratios=dataset.aspect_ratios if recipe.group_by_shape else None,  # type: ignore[attr-defined]
        accumulate=recipe.accumulate,
        rank=rank,
        world_size=world_size,
    )
    return SampleLoader(dataset, batches, num_workers=recipe.num_workers)


def _validation(recipe: Recipe, model: ImageModel, *, rank: int, world_size: int) -> dict[str, Any]:
    """The Runner's arguments for validation, none without a validation dataset."""
    if not recipe.val_dataset:
        return {}
    loader, evaluator = validation_parts(recipe, rank=rank, world_size=world_size)
    check_dataset_classes("val_dataset", loader.dataset, model.info.classes)
    check_measured_classes(model.info.classes, evaluator)
    check_metric_name(recipe.best_metric, evaluator)
    return {"val_dataloader": loader, "val_cfg": {"type": EvaluationLoop}, "val_evaluator": evaluator}


def _hooks(recipe: Recipe, work_dir: Path, averaged: AveragedWeights | None, saving: Checkpoints, notes: Sequence[str]) -> list:
    return [
        StopAtNonFiniteLoss(),
        *([averaged] if averaged else []),
        Console(recipe.log_every, notes),
        saving,
        ExportWeights(work_dir, metric=recipe.best_metric, averaged=averaged),
    ]


def _checkpoints(recipe: Recipe, work_dir: Path, iters_per_epoch: int, stop_asked: Callable[[], bool]) -> Checkpoints:
    return Checkpoints(
        work_dir,
        interval=recipe.checkpoint_every,
        every_epochs=1 if recipe.iterations is None else recipe.val_every,
        accumulate=recipe.accumulate,
        keep=recipe.keep_checkpoints,
        identity=_identity(recipe) | {"iterations per epoch": iters_per_epoch},
        stop_asked=stop_asked,
    )


def _identity(recipe: Recipe) -> dict[str, Any]:
    """Settings that a checkpoint's own state would silently overrule."""
    names = ("seed", "epochs", "iterations", "accumulate", "optimizer", "lr_multipliers", "lr_factor", "schedule", "ema")
    values = {name: getattr(recipe, name) for name in names} | {"no_decay": list(recipe.no_decay)}
    return {name: _as_text(value) if isinstance(value, dict) else value for name, value in values.items()}


def _newest_checkpoint(work_dir: Path, *, resume: bool) -> Path | None:
    found = checkpoints(work_dir)
    if found and not resume:
        raise UserError(
            f"{work_dir} holds {found[-1].name} of an earlier training; go on with --resume, or choose another --work-dir"
        )
    return found[-1] if found else None


def _join_processes() -> tuple[torch.device, int, int]:
    """Device, rank and number of processes; starts torch.distributed under torchrun."""
    has_gpu = torch.cuda.is_available()
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        if has_gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if has_gpu else "gloo")
    device = torch.device("cuda", torch.cuda.current_device()) if has_gpu else torch.device("cpu")
    if dist.is_initialized():
        return device, dist.get_rank(), dist.get_world_size()
    return device, 0, 1


def _write_config(cfg: Config, path: Path) -> None:
    """The settings with all overrides, for the record."""
    path.write_text(_as_text(cfg.to_dict(), indent=1) + "\n", encoding="utf-8")


def _as_text(settings: dict[str, Any], *, indent: int | None = None) -> str:
    """JSON, classes by their full names."""
    return json.dumps(settings, indent=indent, default=lambda item: f"{item.__module__}.{item.__qualname__}")


def leave_processes() -> None:
    """The end of a training that torchrun started, for when nobody holds its runner any more.

    While a wrapped model lives, so do the threads of its processes' group, and one that runs into the interpreter's end aborts.
    """
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


def _visualizer() -> dict[str, Any]:
    """Curves as JSON lines, and for TensorBoard where it is installed."""
    backends = [LocalVisBackend] + ([TensorboardVisBackend] if find_spec("tensorboard") else [])
    return {"type": Visualizer, "vis_backends": [{"type": backend} for backend in backends]}
