"""Weights files on disk. Ours are safetensors that describe themselves, by two JSON texts in the metadata:

architecture: registered names and numbers that build the model, preprocessing included. info: the fields of ModelInfo.
"""

import dataclasses
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from queryinst_vis.models.base import ImageModel, ModelInfo
from queryinst_vis.safe_load import CheckpointError, load_safetensors, safe_load

_FORMAT = "queryinst_vis"
_VERSION = "1"


class WeightsFile(NamedTuple):
    """tensors: by the file's own names, on the CPU. architecture: JSON values, None if not told. info: what is known."""

    tensors: dict[str, Tensor]
    architecture: dict[str, Any] | None
    info: ModelInfo


def read_weights(path: Path) -> WeightsFile:
    """A safetensors file or a torch checkpoint. Raises CheckpointError for what is neither, damaged or not to be trusted."""
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    content = safe_load(path)
    state = content.get("state_dict", content.get("model", content))
    if not isinstance(state, dict) or not all(isinstance(name, str) and _is_plain(value) for name, value in state.items()):
        raise CheckpointError(f"{path}: holds no state dict, neither as `state_dict` or `model` nor as a whole")
    return WeightsFile(dict(state), None, ModelInfo(classes=_classes_in(content.get("meta"))))


def write_weights(path: Path, tensors: dict[str, Tensor], architecture: dict[str, Any], info: ModelInfo) -> None:
    """Write a file of ours: it appears whole or not at all. Raises CheckpointError when it cannot be written."""
    metadata = {
        "format": _FORMAT,
        "version": _VERSION,
        "architecture": json.dumps(architecture),
        "info": json.dumps(dataclasses.asdict(info)),
    }
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        save_file(tensors, part, metadata)
        part.replace(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write {path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def describe(model: ImageModel) -> dict[str, Any]:
    """The architecture of a model. Raises CheckpointError for one that was put together by hand."""
    if model.architecture is None:
        raise CheckpointError(f"this {type(model).__name__} cannot describe itself; only models made by config.build() can")
    return model.architecture


def _read_safetensors(path: Path) -> WeightsFile:
    tensors, metadata = load_safetensors(path)
    if metadata.get("format") != _FORMAT:
        return WeightsFile(tensors, None, ModelInfo())
    if metadata.get("version") != _VERSION:
        raise CheckpointError(
            f"{path}: has format version {metadata.get('version')!r}, this package reads {_VERSION!r}; update it"
        )
    try:
        return WeightsFile(tensors, _json_object(metadata["architecture"]), _model_info(_json_object(metadata["info"])))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its description of the model is not understood ({error})") from error


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError(f"expected a JSON object, got {text[:20]}")
    return value


def _model_info(values: Mapping[str, Any]) -> ModelInfo:
    """The fields one by one: nobody vouches for their types."""
    return ModelInfo(
        classes=tuple(str(name) for name in values["classes"]),
        score_threshold=float(values["score_threshold"]),
        similarity=str(values["similarity"]),
        tracker=str(values["tracker"]),
    )


def _classes_in(meta: Any) -> tuple[str, ...]:
    """Class names as mmdetection 2.x (`CLASSES`) and mmengine (`dataset_meta`) leave them in a checkpoint, else none."""
    if not isinstance(meta, dict):
        return ()
    for holder in (meta, meta.get("dataset_meta")):
        for key in ("classes", "CLASSES"):
            classes = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes):
                return tuple(classes)
    return ()


def _is_plain(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized and value.device.type == "cpu"
