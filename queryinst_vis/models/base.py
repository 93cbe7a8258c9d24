"""The contract of every image model: preprocess -> tensor-only forward -> postprocess, and a loss. Plain torch, no framework.

A new model is one file: subclass ImageModel, register it, write `forward`, `postprocess` and `loss`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from queryinst_vis.errors import UserError
from queryinst_vis.limits import Count, Positive, Share
from queryinst_vis.models.detections import Detections, instances_from_device
from queryinst_vis.ops.resize import fit_hw, resize_image, resize_tensor
from queryinst_vis.registry import MODELS
from queryinst_vis.structures import ImageBatch, Instances, Targets


@dataclass(slots=True)
class ModelInfo:
    """What a user of a trained model needs to know beside its architecture; travels in the weights file.

    classes: names in label order. score_threshold: best for showing results. similarity: how embeddings compare ("cosine" or
    "dot"). tracker: the registered tracker it works best with.
    """

    classes: tuple[str, ...] = ()
    score_threshold: Share = 0.3
    similarity: Literal["cosine", "dot"] = "cosine"
    tracker: str = "query_match"


@MODELS.register_module()
@dataclass(slots=True)
class Preprocess:
    """Frame pixels to network input: resize to fit, normalise, zero-pad at right and bottom to a multiple of `divisor`.

    short, long: limits of the sides in pixels; mean, std: RGB, for values in [0, 255].
    """

    short: Count = 800
    long: Count = 1333
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[Positive, Positive, Positive] = (58.395, 57.12, 57.375)
    divisor: Count = 32

    def __post_init__(self) -> None:
        if self.long < self.short:
            raise ValueError(f"long={self.long}: must be at least short={self.short}")

    def resized(self, short: int) -> "Preprocess":
        """The same with another short side; the long side's limit keeps its ratio."""
        return Preprocess(short, round(short * self.long / self.short), self.mean, self.std, self.divisor)

    def size_of(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """(height, width) to which an image is resized."""
        return fit_hw(image_hw, self.short, self.long)

    def __call__(self, images: Sequence[np.ndarray], device: torch.device | str = "cpu") -> ImageBatch:
        """uint8 [H, W, 3] RGB images -> a batch on a device; a GPU is given the pixels as they are and does all else itself."""
        device = torch.device(device)
        if device.type == "cuda":
            return self.of_tensors([_uploaded(image, device) for image in images])
        resized = [resize_image(image, self.size_of(image.shape[:2])) for image in images]
        tensors = [torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1) for image in resized]
        return self.collate(tensors, original_sizes=[image.shape[:2] for image in images]).to(device)

    def of_tensors(self, images: Sequence[Tensor]) -> ImageBatch:
        """uint8 [H, W, 3] RGB images -> a batch on the device they are on, with the same numbers as from arrays."""
        sizes = [(image.shape[0], image.shape[1]) for image in images]
        resized = [resize_tensor(image, self.size_of(hw)).permute(2, 0, 1) for image, hw in zip(images, sizes, strict=True)]
        return self.collate(resized, original_sizes=sizes)

    def collate(self, images: Sequence[Tensor], *, original_sizes: list[tuple[int, int]] | None = None) -> ImageBatch:
        """uint8 [3, h, w] RGB tensors, already resized -> a normalised, padded batch on their device."""
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        height, width = (-(-max(side) // self.divisor) * self.divisor for side in zip(*sizes, strict=True))
        device = images[0].device
        mean, std = _per_channel(tuple(self.mean), device), _per_channel(tuple(self.std), device)
        batch = torch.zeros((len(images), 3, height, width), device=device)
        for row, image in zip(batch, images, strict=True):
            pixels = row[:, : image.shape[1], : image.shape[2]]
            torch.sub(image, mean, out=pixels)
            pixels.div_(std)
        return ImageBatch(batch, sizes, original_sizes or list(sizes))


def _uploaded(image: np.ndarray, device: torch.device) -> Tensor:
    """On its way to a GPU, by way of memory that the GPU reads itself."""
    return torch.from_numpy(np.ascontiguousarray(image)).pin_memory().to(device, non_blocking=True)


@lru_cache(maxsize=16)
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]


_PIXELS_AT_ONCE = 430_000  # of the network's input, from where on a batch is not faster
_MOST_AT_ONCE = 4


class ImageModel(nn.Module):
    """A network that finds the instances of single images. Holds no state of a video."""

    architecture: dict[str, Any] | None = None  # the JSON that builds it again; set by config.build()
    is_small = False  # so that threads of a CPU wait more than they work on a single image; set by accelerate()
    detect_at_once: Callable[..., Sequence[Tensor]] | None = None  # how a GPU runs `detect`; set by accelerate()

    def __init__(self, *, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.info = ModelInfo()

    @property
    def device(self) -> torch.device:
        parameter = next(self.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def frames_at_once(self, image_hw: tuple[int, int]) -> int:
        """How many frames of that size of a stored video are worth going through together."""
        height, width = self.preprocess.size_of(image_hw)
        return min(max(_PIXELS_AT_ONCE // (height * width), 1), _MOST_AT_ONCE) if self.is_small else 1

    def forward(self, images: Tensor, image_hw: Tensor) -> Any:
        """Tensors in, tensors out. images: [B, 3, H, W] normalised and padded; image_hw: float [B, 2], sizes without padding."""
        raise NotImplementedError

    def detect(self, images: Tensor, image_hw: Tensor, min_score: Tensor) -> Sequence[Tensor]:
        """What `forward` and `postprocess` do on a device, with shapes that are known beforehand, so that it never waits for the
        host: the fields of Detections, as many of each image, and which rows count, bool [R]. A model may do without.

        images, image_hw: as of `forward`; min_score: float [].
        """
        raise NotImplementedError

    def postprocess(self, outputs: Any, batch: ImageBatch, *, min_score: float = 0.0) -> list[Instances]:
        """Network outputs -> detections of each image in its original pixels, best first, on the CPU."""
        raise NotImplementedError

    def lower_precision(self, dtype: torch.dtype) -> None:
        """From now on compute in `dtype` what bears it, beside backbones, for inference; results stay as they are."""
        raise UserError(f"{type(self).__name__} runs in single precision only")

    def compute_constants(self) -> None:
        """From now on compute once what is the same for all images, for inference."""

    def loss(self, batch: ImageBatch, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Named scalars; those whose name contains "loss" are summed and minimised."""
        raise NotImplementedError

    def clip_loss(self, batch: ImageBatch, targets: Sequence[Targets], *, clip_length: int) -> dict[str, Tensor]:
        """The same of clips, for a model that learns to compare frames.

        clip_length: so many rows of the batch at a time are frames of one video, key frame first.
        """
        raise UserError(f"the training data are clips, but {type(self).__name__} learns from single images")

    @torch.inference_mode()
    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        """Instances of each image (uint8 [H, W, 3] RGB), best first, without those scored below `min_score`."""
        if self.training:
            raise RuntimeError("the model is in training mode; call model.eval() before predict()")
        batch = self.preprocess(images, self.device)
        image_hw = batch.tensor.new_tensor(batch.sizes)
        if self.detect_at_once is None:
            return self.postprocess(self(batch.tensor, image_hw), batch, min_score=min_score)
        *found, keep = self.detect_at_once(batch.tensor, image_hw, batch.tensor.new_tensor(min_score))
        return instances_from_device(Detections(*found), keep, batch)
