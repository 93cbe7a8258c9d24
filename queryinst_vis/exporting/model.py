"""A network from a file behind the contract of every image model: what tracks with one tracks with the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from queryinst_vis.device import select_device
from queryinst_vis.exporting.description import FileDescription, FixedSizePreprocess
from queryinst_vis.models.base import ImageModel
from queryinst_vis.models.detections import Detections
from queryinst_vis.safe_load import CheckpointError, check_file
from queryinst_vis.structures import ImageBatch, Instances

SUFFIXES = (".onnx", ".pt2")
Network = Callable[[Tensor, Tensor, Tensor], Sequence[Tensor]]  # as DetectionNetwork.forward


def load_exported(path: str | Path, *, device: str = "auto", size: int | None = None) -> "ExportedModel":
    """The model of a .onnx or .pt2 file that `export_model` wrote.

    size: short side in pixels to which frames are resized, default as described. Runs no code of the file.
    CheckpointError: the file is missing, damaged or not ours, or what runs it is not installed.
    """
    path = check_file(path)
    model = ExportedModel(*_open(path, device))
    if size is not None:
        model.preprocess = model.preprocess.resized(size)
    return model.eval()


def _open(path: Path, device: str) -> tuple[Network, FileDescription]:
    if path.suffix == ".onnx":
        from queryinst_vis.exporting.onnx_file import OnnxNetwork

        onnx = OnnxNetwork(path, device)
        return onnx, onnx.description
    if path.suffix != ".pt2":
        raise CheckpointError(f"{path}: an exported model ends in {' or '.join(SUFFIXES)}")
    from queryinst_vis.exporting.torch_file import TorchNetwork

    program = TorchNetwork(path, select_device(device))
    return program, program.description


class ExportedModel(ImageModel):
    """An image model whose network is a function of tensors from somewhere; for inference only."""

    def __init__(self, network: Network, description: FileDescription) -> None:
        preprocess, input_hw = description.preprocess, description.input_hw
        super().__init__(preprocess=FixedSizePreprocess(preprocess, input_hw) if input_hw else preprocess)
        self.info = description.info
        self._network, self._batch = network, description.batch

    def forward(self, images: Tensor, image_hw: Tensor, min_score: float = 0.0) -> Detections:
        """Detections of any number of images, also where the network takes a fixed number at a time."""
        step = self._batch or max(len(images), 1)
        parts = [
            self._some(images[begin : begin + step], image_hw[begin : begin + step], min_score, begin)
            for begin in range(0, len(images), step)
        ]
        return parts[0] if len(parts) == 1 else Detections(*(torch.cat(fields) for fields in zip(*parts, strict=True)))

    def _some(self, images: Tensor, image_hw: Tensor, min_score: float, begin: int) -> Detections:
        """Of no more images than the network takes; missing ones are black, and what is found there does not count."""
        count, missing = len(images), (self._batch or len(images)) - len(images)
        if missing:
            images = torch.cat([images, images.new_zeros((missing, *images.shape[1:]))])
            image_hw = torch.cat([image_hw, image_hw[:1].expand(missing, -1)])
        found = Detections(*self._network(images, image_hw, torch.tensor(min_score)))
        if missing:
            found = found.where(found.image < count)
        return found._replace(image=found.image + begin)

    def postprocess(self, outputs: Detections, batch: ImageBatch, *, min_score: float = 0.0) -> list[Instances]:
        return outputs.where(outputs.score >= min_score).instances(batch)

    @torch.inference_mode()
    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        """Instances of each image (uint8 [H, W, 3] RGB), best first; masks are made of those alone that score `min_score`."""
        batch = self.preprocess(images)
        outputs = self(batch.tensor, batch.tensor.new_tensor(batch.sizes), min_score)
        return self.postprocess(outputs, batch, min_score=min_score)

    def loss(self, *_: Any, **__: Any) -> dict[str, Tensor]:
        raise CheckpointError("an exported model cannot be trained; train from its weights")
