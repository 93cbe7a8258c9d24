"""The data types that flow from image model to tracker, writer and evaluator. Checked at birth; `repr` prints shapes.

Dimension letters: N predictions, M targets, C classes, D embedding size, B images, H W pixels. Boxes are xyxy pixels, half open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from queryinst_vis.masks import BitMasks, Masks
from queryinst_vis.ops.boxes import flip_boxes
from queryinst_vis.ops.rle import RLE


def _describe(value: object) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if hasattr(value, "windows"):
        return f"{type(value).__name__}({len(value)})"  # type: ignore[arg-type]
    return repr(value)


class _ShapeRepr:
    """A repr that shows shapes instead of numbers and leaves out what is None."""

    def __repr__(self) -> str:
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{k}={_describe(v)}' for k, v in pairs if v is not None)})"


def _check_rows(owner: str, count: int, **named: object) -> None:
    for name, value in named.items():
        if value is not None and len(value) != count:  # type: ignore[arg-type]
            raise ValueError(f"{owner}: {name} has {len(value)} rows, boxes have {count}")  # type: ignore[arg-type]


@dataclass(slots=True, repr=False, eq=False)
class Frame(_ShapeRepr):
    """One picture of a video, upright. image: uint8 [H, W, 3] RGB; index from 0; pts in units of time_base."""

    image: np.ndarray
    index: int
    pts: int
    time_base: Fraction

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"a frame's image is uint8 [H, W, 3] RGB, got {_describe(self.image)}")

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)

    @property
    def image_hw(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


@dataclass(slots=True)
class VideoInfo:
    """Facts of a video. width, height in upright pixels; fps: the average; duration in seconds; None where the file is silent."""

    width: int
    height: int
    fps: Fraction | None
    time_base: Fraction
    num_frames: int | None = None
    duration: float | None = None
    sample_aspect_ratio: Fraction = Fraction(1)
    full_range: bool = False


@dataclass(slots=True, repr=False, eq=False)
class Instances(_ShapeRepr):
    """What a model, and then a tracker, says about one image.

    image_hw: (height, width) of the frame the pixels refer to. boxes float32 [N, 4] xyxy; scores float32 [N] in [0, 1]; labels
    int64 [N], 0-based. Optional: class_scores [N, C]; masks of N objects; embeds float32 [N, D]; query_ids int64 [N], the query
    behind each detection (several detections of one query are one object); track_ids int64 [N], positive.
    """

    image_hw: tuple[int, int]
    boxes: Tensor
    scores: Tensor
    labels: Tensor
    class_scores: Tensor | None = None
    masks: Masks | None = None
    embeds: Tensor | None = None
    query_ids: Tensor | None = None
    track_ids: Tensor | None = None

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ValueError(f"Instances: boxes must be [N, 4], got {list(self.boxes.shape)}")
        rows = {name: getattr(self, name) for name in self._row_fields() if name != "boxes"}
        _check_rows("Instances", len(self.boxes), **rows)

    @classmethod
    def _row_fields(cls) -> list[str]:
        return [f.name for f in fields(cls) if f.name != "image_hw"]

    @classmethod
    def empty(cls, image_hw: tuple[int, int]) -> "Instances":
        """No object."""
        return cls(image_hw, torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index) -> "Instances":
        """Rows by a bool mask [N], int indices or a slice."""
        if isinstance(index, int):
            index = [index]
        rows = {name: value[index] for name in self._row_fields() if (value := getattr(self, name)) is not None}
        return Instances(self.image_hw, **rows)

    def to(self, device: torch.device | str) -> "Instances":
        rows = {name: value.to(device) for name in self._row_fields() if (value := getattr(self, name)) is not None}
        return Instances(self.image_hw, **rows)

    def flipped(self) -> "Instances":
        """The same in the image mirrored left to right."""
        masks = None if self.masks is None else self.masks.flipped()
        return replace(self, boxes=flip_boxes(self.boxes, self.image_hw[1]), masks=masks)

    def to_numpy(self) -> dict[str, np.ndarray]:
        """Each field that is there by its name; masks dense, bool [N, H, W]."""
        rows = {name: value for name in self._row_fields() if (value := getattr(self, name)) is not None}
        return {name: (value if isinstance(value, Tensor) else value.bitmaps()).cpu().numpy() for name, value in rows.items()}

    def to_supervision(self, classes: Sequence[str] | None = None) -> Any:
        """As `supervision.Detections`, with dense masks. classes: names by label, for its `class_name`.

        ImportError: the package supervision is missing (extra `supervision`).
        """
        from supervision import Detections

        rows = self.to_numpy()
        names: dict[str, Any] = (
            {} if classes is None else {"class_name": np.array([classes[label] for label in rows["labels"]], dtype=str)}
        )
        return Detections(
            xyxy=rows["boxes"],
            mask=rows.get("masks"),
            confidence=rows["scores"],
            class_id=rows["labels"],
            tracker_id=rows.get("track_ids"),
            data=names,
        )

    @classmethod
    def cat(cls, parts: Sequence["Instances"]) -> "Instances":
        """Join parts of one image; a field is kept when every part has it."""
        if not parts or any(p.image_hw != parts[0].image_hw for p in parts):
            raise ValueError("cat() needs at least one part, all of one image size")
        rows: dict[str, Any] = {}
        for name in cls._row_fields():
            values = [getattr(p, name) for p in parts]
            if all(v is not None for v in values):
                rows[name] = torch.cat(values) if isinstance(values[0], Tensor) else type(values[0]).cat(values)
        return cls(parts[0].image_hw, **rows)


@dataclass(slots=True, repr=False, eq=False)
class Targets(_ShapeRepr):
    """Ground truth of one image in the pixels of the network's input.

    boxes float32 [M, 4] xyxy; labels int64 [M], 0-based; masks: dense, of M objects (rows of box-only objects are all zero), or
    None when no object has one; has_mask bool [M]; is_crowd bool [M]: regions that are neither an object nor background;
    track_ids int64 [M] or None; annotated_classes: bool [C], the classes that were labelled in this image, or None for all: the
    others get no negative loss.
    """

    boxes: Tensor
    labels: Tensor
    masks: BitMasks | None = None
    has_mask: Tensor | None = None
    is_crowd: Tensor | None = None
    track_ids: Tensor | None = None
    annotated_classes: Tensor | None = None

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ValueError(f"Targets: boxes must be [M, 4], got {list(self.boxes.shape)}")
        count, device = len(self.boxes), self.boxes.device
        if self.is_crowd is None:
            self.is_crowd = torch.zeros(count, dtype=torch.bool, device=device)
        if self.has_mask is None:
            self.has_mask = torch.full((count,), self.masks is not None, dtype=torch.bool, device=device)
        rows = ("labels", "masks", "has_mask", "is_crowd", "track_ids")
        _check_rows("Targets", count, **{name: getattr(self, name) for name in rows})

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index) -> "Targets":
        """Rows by a bool mask [M] or int indices."""
        rows = ("boxes", "labels", "masks", "has_mask", "is_crowd", "track_ids")
        picked = {name: value[index] for name in rows if (value := getattr(self, name)) is not None}
        return Targets(**picked, annotated_classes=self.annotated_classes)

    def to(self, device: torch.device | str) -> "Targets":
        moved: dict[str, Any] = {f.name: None if (v := getattr(self, f.name)) is None else v.to(device) for f in fields(self)}
        return Targets(**moved)


@dataclass(slots=True, repr=False, eq=False)
class ImageBatch(_ShapeRepr):
    """Network input. tensor float32 [B, 3, H, W], normalised, zero-padded at right and bottom; sizes: (h, w) of each image after
    resizing, without padding; original_sizes: (H, W) before it."""

    tensor: Tensor
    sizes: list[tuple[int, int]]
    original_sizes: list[tuple[int, int]]

    def __post_init__(self) -> None:
        if self.tensor.ndim != 4 or not len(self.tensor) == len(self.sizes) == len(self.original_sizes):
            raise ValueError(
                f"ImageBatch: {list(self.tensor.shape)} with {len(self.sizes)} sizes, {len(self.original_sizes)} originals"
            )

    def __len__(self) -> int:
        return len(self.sizes)

    def of(self, images: slice) -> "ImageBatch":
        """Some images of the batch."""
        return ImageBatch(self.tensor[images], self.sizes[images], self.original_sizes[images])

    def to(self, device: torch.device | str) -> "ImageBatch":
        return ImageBatch(self.tensor.to(device, non_blocking=True), self.sizes, self.original_sizes)


@dataclass(slots=True, repr=False, eq=False)
class Track(_ShapeRepr):
    """One object through a video. id positive; label by the mean class distribution; score the mean over frames; and per frame it
    was seen in: index, box xyxy, score and code of the mask (None without masks). class_scores: the mean, where it is known."""

    id: int
    label: int
    score: float
    frame_indices: list[int]
    boxes: np.ndarray  # float32 [T, 4]
    scores: np.ndarray  # float32 [T]
    rles: list[RLE | None]
    class_scores: np.ndarray | None = None  # float32 [C]
