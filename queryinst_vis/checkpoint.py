"""Weights in and out of models: any known dialect goes in; what we write describes itself and needs no config to be read."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from queryinst_vis.config import build, build_from_json, load_config
from queryinst_vis.conversion import summary, to_our_names
from queryinst_vis.data.classes import COCO
from queryinst_vis.device import select_device
from queryinst_vis.errors import UserError
from queryinst_vis.limits import NETWORK_SIDE
from queryinst_vis.load_report import LoadReport, explain_mismatch, fresh_layers
from queryinst_vis.model_zoo import DEFAULT, PUBLISHED, weights_path
from queryinst_vis.models.base import ImageModel
from queryinst_vis.safe_load import CheckpointError, first_line
from queryinst_vis.weights_file import WeightsFile, describe, read_weights, write_weights

__all__ = ["CheckpointError", "LoadReport", "load_model", "load_weights", "save_weights"]

_EXPORTED = (".onnx", ".pt2")


def load_weights(
    model: nn.Module, source: str | Path | Mapping[str, Tensor], *, allow_shape_mismatch: bool = False
) -> LoadReport:
    """Copy tensors into the model, as far as names (of any known dialect) match; the report says what did not.

    source: a file (safetensors or `.pth`), a name of model_zoo, or a state dict. Of a training's checkpoint with EMA the averaged
    weights are taken. allow_shape_mismatch: leave a tensor of another shape as it is in the model (another class count),
    and choose among more initial queries than the model has (see `choose_queries`).
    Raises CheckpointError, with the model untouched, when the file is refused, nothing matches, or a shape differs.
    """
    if isinstance(source, Mapping):
        return _load_tensors(model, "state dict", dict(source), allow_shape_mismatch=allow_shape_mismatch)
    path = weights_path(source)
    return _load_tensors(model, path.name, read_weights(path).tensors, allow_shape_mismatch=allow_shape_mismatch)


def save_weights(model: ImageModel, path: str | Path, *, half: bool = False) -> None:
    """Write a safetensors file that `load_model` opens without a config; it appears whole or not at all.

    half: store floating-point numbers in half precision. Raises CheckpointError when the model cannot describe itself, a number
    does not fit half precision, or the file cannot be written.
    """
    architecture = describe(model)
    tensors = {name: _stored(name, tensor, half=half) for name, tensor in model.state_dict().items()}
    write_weights(Path(path).expanduser(), tensors, architecture, model.info)


def load_model(
    name: str | Path = DEFAULT, *, device: str = "auto", size: int | None = None, config: str | Path | None = None
) -> ImageModel:
    """A trained model in eval mode.

    name: "default" (embedded in the package), a published model (downloaded once) or a file; a file that carries no architecture
    (`.pth`) needs `config`, and what `export-model` wrote (`.onnx`, `.pt2`) is run as it is. size: short side in pixels to which
    frames are resized, default as trained.
    Raises CheckpointError or another UserError, in one line, for whatever is wrong with them.
    """
    if size is not None and size not in NETWORK_SIDE:
        raise CheckpointError(f"size is the short side in pixels, from {NETWORK_SIDE[0]} to {NETWORK_SIDE[-1]}; got {size}")
    if Path(name).suffix in _EXPORTED:
        return _load_exported(Path(name), device, size, config)
    target = select_device(device)
    path = weights_path(name)
    file = read_weights(path)
    if str(name) in PUBLISHED:
        config = config or str(name)
        file = file._replace(info=dataclasses.replace(file.info, classes=COCO))
    model = _build(path, file, config)
    _check_complete(path, _load_tensors(model, path.name, file.tensors, allow_shape_mismatch=False))
    if size is not None:
        model.preprocess = model.preprocess.resized(size)
    return model.to(target).eval()


def _load_exported(path: Path, device: str, size: int | None, config: str | Path | None) -> ImageModel:
    from queryinst_vis.exporting.model import load_exported

    if config is not None:
        raise CheckpointError(f"{path} describes itself; leave out the config {config}")
    return load_exported(path, device=device, size=size)


def _build(path: Path, file: WeightsFile, config: str | Path | None) -> ImageModel:
    """The model without its weights, by a config or else by the file itself."""
    if config is not None:
        settings = load_config(config)
        model, info = build(settings.model, for_weights=True), settings.get("info")
        model.info = build(info) if info else file.info
        model.info.classes = model.info.classes or file.info.classes
        return model
    if file.architecture is None:
        raise CheckpointError(f"{path}: does not describe its architecture; give the config that it was trained with")
    with torch.device("meta"):  # takes no memory, whatever numbers a small file names
        planned = _build_described(path, file.architecture)
    _check_complete(path, _checked_report(planned, path.name, *to_our_names(file.tensors), allow_shape_mismatch=False))
    model = _build_described(path, file.architecture)
    model.info = file.info
    return model


def _build_described(path: Path, architecture: dict[str, Any]) -> ImageModel:
    try:
        return build_from_json(architecture)
    except UserError as error:
        line = str(error).partition("\n")[0]  # torch's own words, with a trace of its C++ functions, may be in it
        raise CheckpointError(f"{path}: {line:.300}") from error
    except Exception as error:  # nobody vouches for the numbers in it
        raise CheckpointError(f"{path}: its architecture cannot be built ({first_line(error)})") from error


def _load_tensors(model: nn.Module, source: str, tensors: dict[str, Tensor], *, allow_shape_mismatch: bool) -> LoadReport:
    dialect, tensors = to_our_names(tensors)
    notes = _fit(model, tensors) if allow_shape_mismatch else ()
    report = _checked_report(model, source, dialect, tensors, allow_shape_mismatch=allow_shape_mismatch)
    own = model.state_dict()
    with torch.no_grad():
        for name in report.matched:
            own[name].copy_(tensors[name])
    return dataclasses.replace(report, notes=(*notes, *fresh_layers(report.mismatched)))


def _fit(model: nn.Module, tensors: dict[str, Tensor]) -> tuple[str, ...]:
    """Let the parts of a model that know how to make tensors of another shape their own do so, in place; what they did."""
    notes = []
    for path, part in model.named_modules():
        if hasattr(part, "fit_weights"):
            prefix = f"{path}." if path else ""
            own = {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}
            if note := part.fit_weights(own):
                tensors.update({prefix + name: tensor for name, tensor in own.items()})
                notes.append(note)
    return tuple(notes)


def _checked_report(
    model: nn.Module, source: str, dialect: str, tensors: Mapping[str, Tensor], *, allow_shape_mismatch: bool
) -> LoadReport:
    """CheckpointError: a shape differs unasked, or nothing matches."""
    report = _compare(source, dialect, tensors, model.state_dict())
    if report.mismatched and not allow_shape_mismatch:
        raise CheckpointError(explain_mismatch(source, report.mismatched))
    if not report.matched:
        raise CheckpointError(f"{source}: nothing in it fits this model; its tensors are {summary(tensors) or 'none'}")
    return report


def _check_complete(path: Path, report: LoadReport) -> None:
    if report.missing:
        raise CheckpointError(f"{path}: {len(report.missing)} tensors of the model are missing: {summary(report.missing)}")


def _compare(source: str, dialect: str, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> LoadReport:
    common = [name for name in own if name in tensors]
    taken = {id(tensors[name]) for name in common}  # a dialect may offer a tensor under two names
    mismatched = {n: (tuple(tensors[n].shape), tuple(own[n].shape)) for n in common if tensors[n].shape != own[n].shape}
    return LoadReport(
        source,
        dialect,
        matched=tuple(n for n in common if n not in mismatched),
        missing=tuple(n for n in own if n not in tensors and not n.endswith("num_batches_tracked")),  # a counter, not weights
        left_over=tuple(n for n, tensor in tensors.items() if n not in own and id(tensor) not in taken),
        mismatched=mismatched,
    )


def _stored(name: str, tensor: Tensor, *, half: bool) -> Tensor:
    """An own, contiguous copy on the CPU: the format takes no two tensors that share memory."""
    stored = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    if half and stored.is_floating_point():
        stored = stored.half()
        if not (stored.isfinite() | ~tensor.detach().cpu().isfinite()).all():
            raise CheckpointError(f"{name} has numbers beyond the range of half precision; save it in full precision")
    return stored
