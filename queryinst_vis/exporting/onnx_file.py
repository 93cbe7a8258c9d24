"""ONNX files: written from a program of torch.export, run by ONNX Runtime. Libraries: the extra `onnx`."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from queryinst_vis.errors import UserError
from queryinst_vis.exporting.description import METADATA_KEY, FileDescription
from queryinst_vis.models.detections import Detections
from queryinst_vis.safe_load import CheckpointError, first_line

INPUTS = ("images", "image_hw", "min_score")
_OPSET = 20
_INSTALL = "pip install 'queryinst-vis[onnx]'"


def write_onnx(program: ExportedProgram, description: FileDescription, path: Path) -> None:
    """UserError: a library is missing. OSError: the file cannot be written."""
    try:
        import onnx
        from onnxscript import opset20
    except ImportError as error:
        raise UserError(f"exporting to ONNX needs {error.name}: {_INSTALL}") from error
    converted = torch.onnx.export(
        program,
        dynamo=True,
        input_names=list(INPUTS),
        output_names=list(Detections._fields),
        opset_version=_OPSET,
        custom_translation_table={
            torch.ops.queryinst_vis.nms_mask.default: _nms_mask_in(opset20),
            torch.ops.aten.embedding_bag.padding_idx: _embedding_bag_in(opset20),
        },
        verbose=False,
    )
    model = converted.model_proto  # type: ignore[union-attr]
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # folders of this machine, for debugging
    model.producer_name, model.producer_version = "queryinst_vis", ""
    onnx.helper.set_model_props(model, {METADATA_KEY: description.to_text()})
    path.write_bytes(model.SerializeToString())


def _nms_mask_in(op: Any) -> Any:
    """`ops.nms.nms_mask` in operators of ONNX."""

    def nms_mask(boxes: Any, threshold: float) -> Any:
        images, count = op.Shape(boxes, start=0, end=1), op.Shape(boxes, start=1, end=2)
        order = op.Range(op.Squeeze(count), op.Constant(value_int=0), op.Constant(value_int=-1))
        scores = op.Expand(op.Cast(order, to=1), op.Concat(images, op.Constant(value_ints=[1]), count, axis=0))
        kept = op.NonMaxSuppression(boxes, scores, count, op.Constant(value_float=threshold))  # rows of image, class, box
        places = op.Gather(kept, op.Constant(value_ints=[0, 2]), axis=1)
        ones = op.Expand(op.Constant(value_float=1.0), op.Shape(places, start=0, end=1))
        return op.Cast(op.ScatterND(op.ConstantOfShape(op.Shape(boxes, start=0, end=2)), places, ones), to=9)

    return nms_mask


def _embedding_bag_in(op: Any) -> Any:
    """Weighted sums of rows, as many in one bag as in the other; torch's own translation loops over the bags."""

    def embedding_bag(
        weight: Any,
        indices: Any,
        offsets: Any,
        scale_grad_by_freq: bool,
        mode: int,
        sparse: bool,
        per_sample_weights: Any,
        include_last_offset: bool,
        padding_idx: int | None,
    ) -> tuple[Any, ...]:
        num_bags = op.Shape(offsets)
        rows = op.Gather(weight, op.Reshape(indices, op.Concat(num_bags, op.Constant(value_ints=[-1]), axis=0)))  # [N, k, C]
        shares = op.Reshape(per_sample_weights, op.Concat(num_bags, op.Constant(value_ints=[1, -1]), axis=0))  # [N, 1, k]
        return op.Squeeze(op.MatMul(shares, rows), op.Constant(value_ints=[1])), offsets, offsets, offsets  # read by nobody

    return embedding_bag


class OnnxNetwork:
    """The network of a file, run by ONNX Runtime with as many threads as torch uses. device: "auto", "cpu" or "cuda"."""

    def __init__(self, path: Path, device: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(f"{path}: running ONNX needs onnxruntime: {_INSTALL}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # errors come as exceptions
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers=_providers(device))
        except UserError:
            raise
        except Exception as error:  # a type for each cause, none of them public
            raise CheckpointError(f"{path}: damaged, or not an ONNX file that can be run ({first_line(error)})") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.description = FileDescription.from_text(metadata.get(METADATA_KEY), str(path))
        names = [[port.name for port in ports] for ports in (self._session.get_inputs(), self._session.get_outputs())]
        if names != [list(INPUTS), list(Detections._fields)]:
            raise CheckpointError(f"{path}: its inputs or outputs are not those of an exported model")

    def __call__(self, images: Tensor, image_hw: Tensor, min_score: Tensor) -> list[Tensor]:
        inputs = zip(INPUTS, (images, image_hw, min_score), strict=True)
        try:
            outputs = self._session.run(None, {name: tensor.numpy() for name, tensor in inputs})
        except Exception as error:
            size = " x ".join(map(str, images.shape))
            raise UserError(f"ONNX Runtime cannot run the network on {size} numbers ({first_line(error)})") from error
        return [torch.from_numpy(output) for output in outputs]


def _providers(device: str) -> list[str]:
    import onnxruntime

    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device.startswith("cuda") and not has_cuda:
        raise UserError("the installed onnxruntime runs on the CPU only; install onnxruntime-gpu, or give --device cpu")
    if device == "mps":
        raise UserError("ONNX models run on cpu or cuda; give --device cpu")
    return (["CUDAExecutionProvider"] if has_cuda and device != "cpu" else []) + ["CPUExecutionProvider"]
