"""`browse CONFIG [key=value ...]`: draw training samples as the network gets to see them.

Clips are drawn frame beside frame, the key frame first; an object has one colour and one number in all of them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from queryinst_vis.config import construct, load_config
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.sample import Clip, Sample
from queryinst_vis.errors import UserError
from queryinst_vis.structures import Instances, Targets
from queryinst_vis.training.recipe import Recipe
from queryinst_vis.visualization.draw import draw_instances

_GAP = 4  # white columns between the frames of a clip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        help="the name of a shipped config, or the path of a file of yours, whose code runs, e.g. queryinst_r50_12e_coco",
    )
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings to change, e.g. data_root=/data/coco"
    )
    parser.add_argument("--output", type=Path, default=Path("browse"), help="folder for the pictures (default: browse)")
    parser.add_argument("--num", type=int, default=20, help="pictures, spread over the data set (default: 20)")
    parser.add_argument("--epoch", type=int, default=0, help="epoch whose augmentation is drawn, from 0 (default: 0)")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.runner import build_dataset

    if args.num < 1 or args.epoch < 0:
        raise UserError(f"--num must be 1 or more and --epoch 0 or more, got {args.num} and {args.epoch}")
    recipe: Recipe = construct(Recipe, dict(load_config(args.config, args.overrides)))
    recipe.require("train_dataset")
    dataset = build_dataset(recipe.train_dataset)
    args.output.mkdir(parents=True, exist_ok=True)
    indices = np.unique(np.linspace(0, len(dataset) - 1, args.num).round().astype(int)).tolist()  # type: ignore[arg-type]
    for index in indices:
        sample = dataset[SampleKey(recipe.seed, args.epoch, index)]
        path = args.output / f"{index:06d}_{_name(sample.file_name)}.jpg"
        if not cv2.imwrite(str(path), draw(sample, classes=dataset.classes)[..., ::-1]):  # type: ignore[attr-defined]
            raise UserError(f"{path}: cannot be written")
    print(f"{len(indices)} pictures in {args.output}")
    return 0


def _name(file_name: str) -> str:
    """For a picture of an image: its path without suffix, folders joined by underscores (frames of videos have like names)."""
    path = Path(file_name)
    return "_".join(path.relative_to(path.anchor).with_suffix("").parts)


def draw(sample: Sample | Clip, *, classes: Sequence[str]) -> np.ndarray:
    """uint8 [h, w, 3] RGB: a sample, or the frames of a clip side by side."""
    if isinstance(sample, Sample):
        return draw_sample(sample, classes=classes)
    gap = np.full((sample.frames[0].image_hw[0], _GAP, 3), 255, dtype=np.uint8)
    pictures = [part for frame in sample.frames for part in (gap, draw_sample(frame, classes=classes))]
    return np.concatenate(pictures[1:], axis=1)


def draw_sample(sample: Sample, *, classes: Sequence[str]) -> np.ndarray:
    """uint8 [h, w, 3] RGB: the picture with masks, boxes, names and identities, crowd regions called so."""
    image = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
    names = [*classes, *(f"crowd of {name}" for name in classes)]
    with_mask = sample.targets.has_mask
    masked = _as_instances(sample.targets[with_mask], sample.image_hw, len(classes))
    boxes = _as_instances(sample.targets, sample.image_hw, len(classes))
    boxes.masks = None
    return draw_instances(draw_instances(image, masked), boxes, classes=names)


def _as_instances(targets: Targets, image_hw: tuple[int, int], num_classes: int) -> Instances:
    """Targets as certain detections; the labels of crowd regions come after all others."""
    labels = targets.labels + num_classes * targets.is_crowd  # type: ignore[operator]
    scores = torch.ones(len(targets))
    return Instances(image_hw, targets.boxes, scores, labels, masks=targets.masks, track_ids=targets.track_ids)  # type: ignore[arg-type]
