"""`test CONFIG WEIGHTS [key=value ...]`: measure weights on the config's validation data, or only write the detections."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queryinst_vis.cli.model_options import add_precision_argument
from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.view_options import add_view_arguments, with_views
from queryinst_vis.config import load_config

if TYPE_CHECKING:
    from queryinst_vis.evaluation.cityscapes import CityscapesMetric
    from queryinst_vis.evaluation.coco import CocoMetric

REFUSED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        help="the name of a shipped config, or the path of a file of yours, whose code runs, e.g. queryinst_r50_12e_coco",
    )
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
        "--format-only",
        action="store_true",
        help="measure nothing, only write what a server measures (default OUTPUT: the name of WEIGHTS); COCO's detections "
        "also as OUTPUT.bbox.zip and OUTPUT.segm.zip; they and Cityscapes' are checked for all that the server would refuse",
    )
    add_view_arguments(parser)
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    add_precision_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0; 1 when a server would refuse what was written; 2 when something has to be mended."""
    from queryinst_vis.acceleration import accelerate
    from queryinst_vis.device import select_device
    from queryinst_vis.runner import (
        build_recipe,
        build_tracker_of,
        build_trained_model,
        check_measured_classes,
        validation_parts,
    )
    from queryinst_vis.training.evaluation import evaluate

    recipe = build_recipe(load_config(args.config, [*args.overrides, *_annotations_override(args), *_metric_overrides(args)]))
    loader, evaluator = validation_parts(recipe)
    model = build_trained_model(recipe, args.weights)
    check_measured_classes(model.info.classes, evaluator)
    tracker = build_tracker_of(recipe, model)
    model = with_views(accelerate(model.to(select_device(args.device)), precision=args.precision), args)
    with progress_bar("batches", len(loader), unit="a second") as advance:
        metrics = evaluate(model, loader, evaluator, tracker=tracker, on_batch=advance)
    if args.format_only:
        return REFUSED if sum(map(_check_written, evaluator.metrics)) else 0
    print(_table(metrics))
    return 0


def _check_written(metric: object) -> int:
    """Checks what a metric has written for a server; prints what is wrong with it and returns the number of errors."""
    from queryinst_vis.evaluation.cityscapes import CityscapesMetric
    from queryinst_vis.evaluation.coco import CocoMetric

    if isinstance(metric, CocoMetric):
        return _pack_and_check(metric)
    return _check_folder(metric) if isinstance(metric, CityscapesMetric) else 0


def _check_folder(metric: "CityscapesMetric") -> int:
    """What Cityscapes' server would refuse."""
    from queryinst_vis.data.coco_json import read_coco
    from queryinst_vis.submission.cityscapes import check_cityscapes_results

    report = check_cityscapes_results(metric.output, read_coco(metric.annotations)["images"])  # type: ignore[arg-type]
    print(*report.lines(), f"wrote {metric.output}: {report.summary()}", sep="\n")
    return report.num_errors


def _pack_and_check(metric: "CocoMetric") -> int:
    """Zips for COCO's server, and what it would refuse."""
    from queryinst_vis.data.coco_json import read_coco
    from queryinst_vis.submission.coco import check_coco_results, pack_results, results_name

    name = results_name(metric.annotations, Path(str(metric.output)).name)
    content = read_coco(metric.annotations)
    num_errors = 0
    for iou_type, results in metric.written.items():
        packed = pack_results(results, name)
        report = check_coco_results(packed, content, iou_type=iou_type, name=name)
        print(*report.lines(), f"wrote {packed}: {report.summary()}", sep="\n")
        num_errors += report.num_errors
    return num_errors


def _annotations_override(args: argparse.Namespace) -> list[str]:
    """Other images to find objects in are also those to measure: the metric's file follows the dataset's."""
    given = dict(override.partition("=")[::2] for override in args.overrides)
    metric = load_config(args.config).get("val_metric")
    if "val_metric.annotations" in given or not isinstance(metric, Mapping) or "annotations" not in metric:
        return []
    file = given.get("val_dataset.annotations")
    return [f"val_metric.annotations={file}"] if file else []


def _metric_overrides(args: argparse.Namespace) -> list[str]:
    if args.format_only:
        return [f"val_metric.output={args.output or Path(args.weights).stem}", "val_metric.format_only=True"]
    return [f"val_metric.output={args.output}"] if args.output else []


def _table(metrics: Mapping[str, Any]) -> str:
    width = max(map(len, metrics), default=0)
    return "\n".join(f"{name:{width}}  {value:.4f}" for name, value in metrics.items())
