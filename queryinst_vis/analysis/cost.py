"""What a model costs: parameters, multiply-adds and memory of activations, part by part, without weights and without a run."""

import copy
import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from queryinst_vis.analysis.counting import OUTSIDE, CostMode, parts_of
from queryinst_vis.masks import BitMasks
from queryinst_vis.models.base import ImageModel
from queryinst_vis.models.matching import Match
from queryinst_vis.structures import ImageBatch, Targets

NUM_OBJECTS = 8  # in an image; COCO's have 7.3 on average
_CLIP_LENGTH = 2  # frames


@dataclass(frozen=True, slots=True)
class PartCost:
    """Of one part of a model. multiply_adds: of inference; saved_bytes: what a training step keeps for its backward pass."""

    name: str
    num_parameters: int
    num_trainable: int
    multiply_adds: int
    saved_bytes: int | None


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What a batch of images of one size costs.

    image_hw: of the images after resizing; input_hw: with padding; peak_bytes: activations that inference has at most at once,
    beside the images; num_training_images: those of a training step, more than the batch where a model learns from clips;
    num_objects: in each of them. Bytes are those of 32-bit numbers; what convolutions need to work in is not among them.
    saved_bytes is None for a model whose training cannot be followed without values.
    """

    image_hw: tuple[int, int]
    input_hw: tuple[int, int]
    batch_size: int
    num_objects: int
    num_training_images: int
    peak_bytes: int
    parts: tuple[PartCost, ...]

    @property
    def num_parameters(self) -> int:
        return sum(part.num_parameters for part in self.parts)

    @property
    def num_trainable(self) -> int:
        return sum(part.num_trainable for part in self.parts)

    @property
    def multiply_adds(self) -> int:
        return sum(part.multiply_adds for part in self.parts)

    @property
    def saved_bytes(self) -> int | None:
        saved = [part.saved_bytes for part in self.parts if part.saved_bytes is not None]
        return sum(saved) if saved else None


def analyze_model(
    model: ImageModel, image_hw: tuple[int, int], *, batch_size: int = 1, num_objects: int = NUM_OBJECTS
) -> ModelCost:
    """Cost of images that are (height, width) = `image_hw` when they enter the network, before padding.

    The model stays as it is; it may be on the meta device. Inference is counted with as many detections as the model gives at
    most, each of another query; a training step (for a model with a criterion) with `num_objects` in every image. Every number
    is that of the package's own code: mask heads, for example, compute masks of the detected classes alone.
    """
    model = _without_memory(model)
    inference = _inference(model, image_hw, batch_size)
    training, num_images = _training(model, image_hw, batch_size, num_objects)
    return ModelCost(
        image_hw=(image_hw[0], image_hw[1]),
        input_hw=_padded(model, image_hw),
        batch_size=batch_size,
        num_objects=num_objects,
        num_training_images=num_images,
        peak_bytes=inference.peak_bytes,
        parts=tuple(_part_costs(model, inference.multiply_adds, training)),
    )


def _part_costs(model: nn.Module, multiply_adds: Mapping[str, int], saved: Mapping[str, int] | None) -> Iterator[PartCost]:
    counted: set[int] = set()
    for name, part in {**parts_of(model), OUTSIDE: model}.items():
        own = [parameter for parameter in part.parameters() if id(parameter) not in counted]
        counted |= {id(parameter) for parameter in own}
        cost = PartCost(
            name,
            sum(parameter.numel() for parameter in own),
            sum(parameter.numel() for parameter in own if parameter.requires_grad),
            multiply_adds.get(name, 0),
            None if saved is None else saved.get(name, 0),
        )
        if name != OUTSIDE or cost.num_parameters or cost.multiply_adds or cost.saved_bytes:
            yield cost


def _inference(model: ImageModel, image_hw: Sequence[int], batch_size: int) -> CostMode:
    batch = _batch(model.eval(), image_hw, batch_size)
    mode = _followed(model, batch)
    with torch.no_grad(), mode:
        model.postprocess(model(batch.tensor, batch.tensor.new_tensor(batch.sizes)), batch)
    return mode


def _training(
    model: ImageModel, image_hw: Sequence[int], batch_size: int, num_objects: int
) -> tuple[Mapping[str, int] | None, int]:
    """Bytes that the losses of a batch keep alive, by part, and the number of its images."""
    learns_from_clips = getattr(model, "track_head", None) is not None
    num_images = batch_size * (_CLIP_LENGTH if learns_from_clips else 1)
    if not hasattr(getattr(model, "criterion", None), "match"):
        return None, num_images
    model.criterion = _FirstQueries(model.criterion)  # type: ignore[assignment]
    batch = _batch(model.train(), image_hw, num_images)
    targets = [_targets(image_hw, num_objects) for _ in range(num_images)]
    mode = _followed(model, batch)
    with torch.enable_grad(), mode:
        options = {"clip_length": _CLIP_LENGTH} if learns_from_clips else {}
        losses = (model.clip_loss if learns_from_clips else model.loss)(batch, targets, **options)
        gc.collect()
        saved = dict(mode.live_bytes)
    del losses  # until here they held what their backward pass needs
    return saved, num_images


class _FirstQueries:
    """A criterion that matches the first queries of an image with its objects: a real match needs values."""

    def __init__(self, criterion: Any) -> None:
        self._criterion = criterion

    def match(self, logits: Tensor, boxes: Tensor, objects: Sequence[Targets], image_hw: Tensor) -> list[Match]:
        counts = [min(logits.shape[1], len(t)) for t in objects]
        return [Match(torch.arange(count), torch.arange(count)) for count in counts]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._criterion, name)


def _without_memory(model: ImageModel) -> ImageModel:
    """A copy on the meta device; no number is copied."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    return copy.deepcopy(model, memo)


def _padded(model: ImageModel, image_hw: Sequence[int]) -> tuple[int, int]:
    divisor = model.preprocess.divisor
    return -(-image_hw[0] // divisor) * divisor, -(-image_hw[1] // divisor) * divisor


def _batch(model: ImageModel, image_hw: Sequence[int], count: int) -> ImageBatch:
    sizes = [(image_hw[0], image_hw[1])] * count
    return ImageBatch(torch.empty((count, 3, *_padded(model, image_hw)), device="meta"), sizes, list(sizes))


def _targets(image_hw: Sequence[int], count: int) -> Targets:
    """Objects of one class that fill their image. What is small has values, so that what is asked of it is known."""
    height, width = image_hw
    boxes = torch.tensor([[0.0, 0.0, width, height]]).repeat(count, 1)
    masks = BitMasks(torch.empty((count, height, width), dtype=torch.bool, device="meta"))
    return Targets(boxes, torch.zeros(count, dtype=torch.int64), masks, track_ids=torch.arange(count) + 1)


def _followed(model: ImageModel, batch: ImageBatch) -> CostMode:
    """A mode that tells the model's parts apart."""
    return CostMode(model, existing=[*model.parameters(), *model.buffers(), batch.tensor])
