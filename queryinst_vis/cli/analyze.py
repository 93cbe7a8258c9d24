"""`analyze CONFIG [key=value ...]`: what a model costs, part by part, without weights and without a run."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from queryinst_vis.cli.values import positive
from queryinst_vis.config import ConfigError, build, load_config
from queryinst_vis.outputs import check_new_file, write_whole

if TYPE_CHECKING:
    from queryinst_vis.analysis import ModelCost, PartCost
    from queryinst_vis.models.base import ImageModel

_HEADER = ("part", "parameters", "trainable", "multiply-adds", "kept for training")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        help="the name of a shipped config, or the path of a file of yours, whose code runs, e.g. queryinst_r50_36e_coco",
    )
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings to change, e.g. model.max_detections=50"
    )
    parser.add_argument(
        "--size",
        type=positive,
        nargs=2,
        metavar=("H", "W"),
        help="pixels of the images when they enter the network, before padding (default: the config's short and long side)",
    )
    parser.add_argument("--batch", type=positive, default=1, metavar="N", help="images at a time (default: 1)")
    parser.add_argument("--objects", type=positive, metavar="N", help="objects in an image of a training step (default: 8)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the numbers here")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.analysis import NUM_OBJECTS, analyze_model

    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[Path(args.config)])
    model = _build(args)
    image_hw = tuple(args.size) if args.size else (model.preprocess.short, model.preprocess.long)
    cost = analyze_model(model, image_hw, batch_size=args.batch, num_objects=args.objects or NUM_OBJECTS)
    if args.json:
        write_whole({args.json: json.dumps(_as_json(cost), indent=1) + "\n"})
    print(_table(cost), _summary(cost), sep="\n")
    return 0


def _build(args: argparse.Namespace) -> "ImageModel":
    """The config's model, which takes no memory."""
    import torch

    from queryinst_vis.models.base import ImageModel

    with torch.device("meta"):
        model = build(load_config(args.config, args.overrides).model)
    if not isinstance(model, ImageModel):
        raise ConfigError(f"model builds a {type(model).__name__}, expected an ImageModel")
    return model


def _table(cost: "ModelCost") -> str:
    """A row for each part, and one for all."""
    rows = [_HEADER, *(_row(part.name, part) for part in cost.parts), _row("all", cost)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


def _row(name: str, cost: "PartCost | ModelCost") -> tuple[str, ...]:
    saved = "-" if cost.saved_bytes is None else f"{cost.saved_bytes / 1e6:.1f} MB"
    return name, f"{cost.num_parameters:,}", f"{cost.num_trainable:,}", f"{cost.multiply_adds / 1e9:.3f} G", saved


def _summary(cost: "ModelCost") -> str:
    def size(hw: tuple[int, int]) -> str:
        return f"{hw[0]} x {hw[1]}"

    lines = [
        f"input: {cost.batch_size} of {size(cost.input_hw)} pixels (height x width; {size(cost.image_hw)} before padding)",
        f"inference: {cost.multiply_adds / 1e9:.2f} G multiply-adds, activations of {cost.peak_bytes / 1e6:.1f} MB at their peak",
    ]
    if cost.saved_bytes is not None:
        kept = f"{cost.saved_bytes / 1e6:.1f} MB kept for the backward pass"
        lines.append(f"a training step: {cost.num_training_images} images of {cost.num_objects} objects, {kept}")
    return "\n".join(lines)


def _as_json(cost: "ModelCost") -> dict:
    totals = ("num_parameters", "num_trainable", "multiply_adds", "saved_bytes")
    return {name: getattr(cost, name) for name in totals} | asdict(cost)
