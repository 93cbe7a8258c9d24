"""`test CONFIG WEIGHTS [key=value ...]`: measure weights on the config's validation data, or only write the detections."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.view_options import add_view_arguments, with_views
from queryinst_vis.config import load_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a config file, or the name of one that is shipped, e.g. queryinst_r50_12e_coco")
    parser.add_argument("weights", help="a weights file (.safetensors, .pth), or the name of a published model")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings to change, e.g. data_root=/data/coco"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="write the detections to OUTPUT.bbox.json and OUTPUT.segm.json, or the tracks to OUTPUT.results.json",
    )
    parser.add_argument(
        "--format-only", action="store_true", help="write the detections (default OUTPUT: the name of WEIGHTS), measure nothing"
    )
    add_view_arguments(parser)
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.device import select_device
    from queryinst_vis.runner import (
        build_recipe,
        build_tracker_of,
        build_trained_model,
        check_measured_classes,
        validation_parts,
    )
    from queryinst_vis.training.evaluation import evaluate

    recipe = build_recipe(load_config(args.config, [*args.overrides, *_metric_overrides(args)]))
    loader, evaluator = validation_parts(recipe)
    model = build_trained_model(recipe, args.weights)
    check_measured_classes(model.info.classes, evaluator)
    model.to(select_device(args.device))
    tracker = build_tracker_of(recipe, model)
    model = with_views(model, args)
    with progress_bar("batches", len(loader), unit="a second") as advance:
        metrics = evaluate(model, loader, evaluator, tracker=tracker, on_batch=advance)
    print(_table(metrics))
    return 0


def _metric_overrides(args: argparse.Namespace) -> list[str]:
    if args.format_only:
        return [f"val_metric.output={args.output or Path(args.weights).stem}", "val_metric.format_only=True"]
    return [f"val_metric.output={args.output}"] if args.output else []


def _table(metrics: Mapping[str, Any]) -> str:
    width = max(map(len, metrics), default=0)
    return "\n".join(f"{name:{width}}  {value:.4f}" for name, value in metrics.items())
