"""Detections of a video in a file, so that many trackers can be tried on what a model found once."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from queryinst_vis.errors import UserError
from queryinst_vis.masks import BitMasks, Masks, RoiMasks
from queryinst_vis.structures import Instances

_MASK_TYPES = {cls.__name__: cls for cls in (RoiMasks, BitMasks)}
Timed = tuple[float, Instances]


def save_detections(path: Path, made_by: dict[str, Any], frames: Iterable[Timed]) -> None:
    """Write (time in seconds, detections) of all frames; the file appears whole or not at all. made_by: what they depend on."""
    content = {"made_by": made_by, "frames": [(time, _pack(instances)) for time, instances in frames]}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def load_detections(path: Path, made_by: dict[str, Any]) -> Iterator[Timed]:
    """What `save_detections` wrote. UserError, also while iterating: not such a file, damaged, or made by something else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage looks like a newer version
            content = torch.load(path, weights_only=True, mmap=True)
        stored, frames = content["made_by"], content["frames"]
    except Exception as error:  # torch raises almost anything on a damaged file
        raise _damaged(path) from error
    if stored != made_by:
        raise UserError(f"{path} was made by {stored}, not {made_by}; use another folder for these")
    return _frames(path, frames)


def _frames(path: Path, frames: Any) -> Iterator[Timed]:
    try:
        for time, packed in frames:
            yield float(time), _unpack(packed)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, AssertionError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} holds no stored detections, or is damaged; delete it")


def _pack(instances: Instances) -> dict[str, Any]:
    values = {f.name: getattr(instances, f.name) for f in fields(instances)}
    if instances.masks is not None:
        values["masks"] = _pack_masks(instances.masks)
    return values


def _pack_masks(masks: Masks) -> dict[str, Any]:
    values = {f.name: getattr(masks, f.name) for f in fields(masks) if f.init}  # type: ignore[arg-type]
    halves = {name: value.half() for name, value in values.items() if name == "probabilities"}
    return {"type": type(masks).__name__, **values, **halves}


def _unpack(packed: dict[str, Any]) -> Instances:
    if packed["masks"] is None:
        return Instances(**packed)
    masks = dict(packed["masks"])
    return Instances(**{**packed, "masks": _MASK_TYPES[masks.pop("type")](**masks)})
