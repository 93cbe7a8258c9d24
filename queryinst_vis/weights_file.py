"""Weights files on disk. Ours are safetensors that describe themselves, by a JSON text `queryinst_vis` in the metadata:

version: 1. architecture: registered names and numbers that build the model, preprocessing included, or null. info: fields of
ModelInfo.
One text and not several, because safetensors writes metadata in random order and the same model shall give the same file.
"""

import dataclasses
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from queryinst_vis.models.base import ImageModel, ModelInfo
from queryinst_vis.safe_load import CheckpointError, first_line, load_safetensors, safe_load

_METADATA_KEY = "queryinst_vis"
_VERSION = 1


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
    state = _state_dict_of(content)
    if not isinstance(state, dict) or not all(isinstance(name, str) and _is_plain(value) for name, value in state.items()):
        raise CheckpointError(f"{path}: holds no state dict, neither as `state_dict` or `model` nor as a whole")
    return WeightsFile(dict(state), None, ModelInfo(classes=_classes_in(content.get("meta"))))


def write_weights(path: Path, tensors: dict[str, Tensor], architecture: dict[str, Any] | None, info: ModelInfo) -> None:
    """Write a safetensors file of ours: it appears whole or not at all.

    architecture: as `describe` gives it; None if it is not known. Raises CheckpointError when the file cannot be written.
    """
    description = {"version": _VERSION, "architecture": architecture, "info": dataclasses.asdict(info)}
    with _whole_file(path) as part:
        part.touch()
        permissions = part.stat().st_mode
        save_file(tensors, part, {_METADATA_KEY: json.dumps(description)})
        part.chmod(permissions)  # safetensors makes files that nobody else can read


def write_checkpoint(path: Path, tensors: dict[str, Tensor], classes: Sequence[str]) -> None:
    """Write a torch checkpoint (`.pth`) that torch and mmdetection open: state_dict, and meta with the classes if there are any.

    It appears whole or not at all. Raises CheckpointError when it cannot be written.
    """
    names = tuple(classes)
    meta = {"CLASSES": names, "dataset_meta": {"classes": names}} if names else {}  # mmdetection 2.x and 3.x
    with _whole_file(path) as part:
        torch.save({"meta": meta, "state_dict": tensors}, part)


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """Where to write a file that gets its name when the block is left without an error."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield part
        part.replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch says RuntimeError of a full disk
        raise CheckpointError(f"cannot write {path}: {first_line(error)}") from error
    finally:
        part.unlink(missing_ok=True)


def describe(model: ImageModel) -> dict[str, Any]:
    """The architecture of a model. Raises CheckpointError for one that was put together by hand."""
    if model.architecture is None:
        raise CheckpointError(f"this {type(model).__name__} cannot describe itself; only models made by config.build() can")
    return model.architecture


def _read_safetensors(path: Path) -> WeightsFile:
    tensors, metadata = load_safetensors(path)
    if _METADATA_KEY not in metadata:
        return WeightsFile(tensors, None, ModelInfo())
    try:
        description = json.loads(metadata[_METADATA_KEY])
        version, architecture, info = description["version"], description["architecture"], description["info"]
        if version == _VERSION:
            return WeightsFile(tensors, None if architecture is None else dict(architecture), model_info_of(info))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its description of the model is not understood ({first_line(error)})") from error
    raise CheckpointError(f"{path}: has format version {version!r}, this package reads {_VERSION}; a newer one may read it")


def _state_dict_of(content: dict[str, Any]) -> Any:
    """The averaged weights of our training, or `state_dict` (where mmengine's own averages are), or `model`, or all of it."""
    ema = content.get("ema")
    if isinstance(ema, dict) and "state_dict" in ema:
        return ema["state_dict"]
    return content.get("state_dict", content.get("model", content))


def model_info_of(values: Mapping[str, Any]) -> ModelInfo:
    """ModelInfo of a file, its fields one by one: nobody vouches for their types."""
    return ModelInfo(
        classes=tuple(str(name) for name in values["classes"]),
        score_threshold=float(values["score_threshold"]),
        similarity=str(values["similarity"]),  # type: ignore[arg-type]
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
