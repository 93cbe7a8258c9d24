"""`export_model`: a trained model as a graph, and the graph as a file."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from torch.export import Dim, ExportedProgram, export

from queryinst_vis.acceleration.accelerate import folded
from queryinst_vis.errors import UserError
from queryinst_vis.exporting.description import FileDescription
from queryinst_vis.exporting.network import DetectionNetwork
from queryinst_vis.models.base import ImageModel
from queryinst_vis.models.mask_heads import MaskHeads
from queryinst_vis.models.queryinst import QueryInst
from queryinst_vis.outputs import part_of
from queryinst_vis.safe_load import first_line

FORMATS = {"onnx": ".onnx", "torch": ".pt2"}
_LEAST, _MOST = 4, 128  # sides in multiples of the divisor, where they are open
_EXAMPLE = (5, 7)  # of them, to follow the network with
_MOST_IMAGES = 1024


def export_model(
    model: ImageModel,
    path: str | Path,
    *,
    to: Literal["onnx", "torch"] = "onnx",
    input_hw: tuple[int, int] | None = None,
    batch: int | None = 1,
) -> None:
    """Write the network of a model, which comes from `load_model` and is not accelerated, as a file that `load_exported` reads.

    input_hw: the one size of its input, by default any; batch: how many images at a time, None for any number.
    UserError: the model cannot be exported so, or the file not be written; it appears whole or not at all.
    """
    if not isinstance(model, QueryInst):
        raise UserError(f"{type(model).__name__} cannot be exported, only QueryInst can")
    if input_hw is not None and any(side < 1 or side % model.preprocess.divisor for side in input_hw):
        raise UserError(f"the size {input_hw[0]} {input_hw[1]} must be multiples of {model.preprocess.divisor}")
    if batch is not None and not 1 <= batch <= _MOST_IMAGES:
        raise UserError(f"batch is from 1 to {_MOST_IMAGES}, or dynamic; got {batch}")
    description = FileDescription(model.info, model.preprocess, batch, input_hw)
    path = Path(path).expanduser()
    part = part_of(path)
    try:
        with _quiet(), torch.no_grad():
            program = exported_program(model, description)
            _WRITERS[to](program, description, part)
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or first_line(error)}") from error
    finally:
        part.unlink(missing_ok=True)


def exported_program(model: QueryInst, description: FileDescription) -> ExportedProgram:
    """The graph of a DetectionNetwork, with open sizes where the description has none."""
    divisor, batch = model.preprocess.divisor, description.batch
    height, width = description.input_hw or (side * divisor for side in _EXAMPLE)
    images = torch.zeros((batch or 2, 3, height, width))
    image_hw = images.new_tensor([[height, width]]).repeat(len(images), 1)
    image_dims: dict[int, object] = {}
    if batch is None:
        image_dims[0] = Dim("batch", min=1, max=_MOST_IMAGES)
    hw_dims = dict(image_dims)
    if description.input_hw is None:
        image_dims |= {2: divisor * Dim("rows", min=_LEAST, max=_MOST), 3: divisor * Dim("columns", min=_LEAST, max=_MOST)}
    network = DetectionNetwork(_for_inference(model)).eval()
    inputs = (images, image_hw, torch.tensor(0.0))
    return export(network, inputs, dynamic_shapes=(image_dims or None, hw_dims or None, None), strict=False)


def _for_inference(model: QueryInst) -> QueryInst:
    """A copy without what no detection needs: batch norms, and mask heads that are there to learn."""
    model = folded(model)
    if not model.mask_heads.has_flow:
        model.mask_heads = MaskHeads([model.mask_heads[-1]])  # type: ignore[list-item]
    return model


def _write_onnx(program: ExportedProgram, description: FileDescription, path: Path) -> None:
    from queryinst_vis.exporting.onnx_file import write_onnx

    write_onnx(program, description, path)


def _write_torch(program: ExportedProgram, description: FileDescription, path: Path) -> None:
    from queryinst_vis.exporting.torch_file import write_torch

    write_torch(program, description, path)


_WRITERS = {"onnx": _write_onnx, "torch": _write_torch}


@contextmanager
def _quiet() -> Iterator[None]:
    """Attention as plain operations, and nothing said of what exporters do inside."""
    fast = torch.backends.mha.get_fastpath_enabled()
    disabled = logging.root.manager.disable
    torch.backends.mha.set_fastpath_enabled(False)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        logging.disable(disabled)
