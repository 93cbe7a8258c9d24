"""What a file says of the network in it, as a JSON text `queryinst_vis` in its metadata: all that a user needs beside the graph.

version: 1. info: fields of ModelInfo. preprocess: fields of Preprocess. batch: how many images at a time, null for any number.
input_hw: height and width of the network's input, null for any multiples of preprocess.divisor.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.config import construct
from queryinst_vis.models.base import ModelInfo, Preprocess
from queryinst_vis.safe_load import CheckpointError, first_line
from queryinst_vis.structures import ImageBatch
from queryinst_vis.weights_file import model_info_of

METADATA_KEY = "queryinst_vis"
_VERSION = 1
_MOST = 65536  # images at a time, and pixels of a side


@dataclasses.dataclass(frozen=True, slots=True)
class FileDescription:
    """See above."""

    info: ModelInfo
    preprocess: Preprocess
    batch: int | None = None
    input_hw: tuple[int, int] | None = None

    def to_text(self) -> str:
        return json.dumps({"version": _VERSION, **dataclasses.asdict(self)})

    @classmethod
    def from_text(cls, text: str | None, name: str) -> "FileDescription":
        """CheckpointError: the text is missing or not understood. name: of the file, for the message."""
        if text is None:
            raise CheckpointError(f"{name}: was not made by `queryinst-vis export-model`: it does not describe its model")
        try:
            values = json.loads(text)
            if (version := values["version"]) == _VERSION:
                return cls(
                    model_info_of(values["info"]),
                    construct(Preprocess, dict(values["preprocess"])),
                    _number(values["batch"]),
                    _input_hw(values["input_hw"]),
                )
        except Exception as error:  # nobody vouches for what is in it
            raise CheckpointError(f"{name}: its description of the model is not understood ({first_line(error)})") from error
        raise CheckpointError(f"{name}: has format version {version!r}, this package reads {_VERSION}; a newer one may read it")


class FixedSizePreprocess(Preprocess):
    """Resizes to fit in one size and pads to just that."""

    def __init__(self, preprocess: Preprocess, input_hw: tuple[int, int]) -> None:
        super().__init__(**dataclasses.asdict(preprocess))
        self.input_hw = input_hw

    def size_of(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        return _fit_in(image_hw, self.input_hw)

    def collate(self, images: Sequence[Tensor], *, original_sizes: list[tuple[int, int]] | None = None) -> ImageBatch:
        """uint8 [3, h, w] RGB tensors, already resized -> a normalised batch of the one size."""
        batch = Preprocess.collate(self, images, original_sizes=original_sizes)
        height, width = self.input_hw
        padding = (0, width - batch.tensor.shape[3], 0, height - batch.tensor.shape[2])
        return ImageBatch(F.pad(batch.tensor, padding), batch.sizes, batch.original_sizes)

    def resized(self, short: int) -> Preprocess:
        height, width = self.input_hw
        raise CheckpointError(f"the exported network takes pictures of {height} x {width} only; export it without --size")


def _fit_in(image_hw: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    factor = min(input_hw[0] / image_hw[0], input_hw[1] / image_hw[1])
    return max(int(image_hw[0] * factor + 0.5), 1), max(int(image_hw[1] * factor + 0.5), 1)


def _number(value: Any) -> int | None:
    if value is not None and not (type(value) is int and 0 < value <= _MOST):
        raise ValueError(f"{value!r} is no size")
    return value


def _input_hw(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    height, width = (_number(side) for side in value)
    if height is None or width is None:
        raise ValueError(f"{value!r} is no size")
    return height, width
