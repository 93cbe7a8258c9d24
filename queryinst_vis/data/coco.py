"""Instance annotations in COCO's JSON as a dataset of samples.

The annotations are kept in a few arrays instead of millions of Python objects, so that worker processes share them; a mask is
decoded when its image is asked for.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from queryinst_vis.data.coco_json import DatasetError, decode_mask, has_mask, read_coco, usable_box
from queryinst_vis.data.sample import Sample
from queryinst_vis.data.transforms import Transform
from queryinst_vis.masks import BitMasks
from queryinst_vis.registry import DATASETS
from queryinst_vis.structures import Targets

MIN_SIDE = 32  # training images with a shorter side are left out


@dataclass(slots=True)
class _Packed:
    """JSON values of A annotations in one buffer; value i is buffer[starts[i] : starts[i + 1]]."""

    buffer: bytes
    starts: np.ndarray

    @classmethod
    def pack(cls, values: Iterable[Any]) -> "_Packed":
        texts = [json.dumps(value).encode() for value in values]
        return cls(b"".join(texts), np.cumsum([0, *map(len, texts)]))

    def __getitem__(self, index: int) -> Any:
        return json.loads(self.buffer[self.starts[index] : self.starts[index + 1]])


@dataclass(slots=True)
class _Annotations:
    """Usable annotations of I images, A in all; those of image i are rows starts[i] : starts[i + 1]."""

    starts: np.ndarray  # int64 [I + 1]
    ids: np.ndarray  # int64 [A]
    boxes: np.ndarray  # float32 [A, 4] xyxy, clipped to the image
    labels: np.ndarray  # int64 [A]
    is_crowd: np.ndarray  # bool [A]
    has_mask: np.ndarray  # bool [A]
    segmentations: _Packed


@DATASETS.register_module()
class CocoDataset(Dataset[Sample]):
    """Images with boxes and masks of the classes asked for.

    annotations: JSON file; images: the folder its file names are relative to; classes: names in label order (categories of other
    names are left out); annotated_classes: those that were labelled in these images, None for all: the others are not background.
    training: leave out images with a side below 32 pixels or without any annotation of the classes.
    Raises DatasetError when the file or the folder is unusable, or when no image is left.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        *,
        classes: Sequence[str],
        transforms: Sequence[Transform] = (),
        annotated_classes: Sequence[str] | None = None,
        training: bool = False,
    ) -> None:
        self.annotations_path = Path(annotations)
        self.image_folder = Path(images)
        self.classes = tuple(classes)
        self.transforms = list(transforms)
        self.annotated_classes = _annotated(annotated_classes, self.classes)
        if not self.image_folder.is_dir():
            raise DatasetError(f"{self.image_folder}: no such folder of images")
        content = read_coco(self.annotations_path)
        self._load(content, self._labels(content["categories"], annotated_classes or classes), training)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, key: int | tuple[int, int, int]) -> Sample:
        """A sample by index, or by (seed, epoch, index); an index alone means seed 0, epoch 0."""
        seed, epoch, index = key if isinstance(key, tuple) else (0, 0, key)
        sample = self.load(index)
        rng = np.random.default_rng([seed, epoch, index])
        for transform in self.transforms:
            sample = transform(sample, rng)
        sample.image = sample.image.contiguous()  # a crop must not carry the whole image to another process
        return sample

    def load(self, index: int) -> Sample:
        """The sample as the file has it, before any transform."""
        index = range(len(self))[index]
        image_hw = tuple(self.image_hws[index].tolist())
        return Sample(
            image=torch.from_numpy(self._read_image(index)).permute(2, 0, 1),
            targets=self._targets(index, image_hw),
            image_id=int(self.image_ids[index]),
            original_hw=image_hw,
            file_name=self.file_names[index],
        )

    def _labels(self, categories: list[dict[str, Any]], required: Sequence[str]) -> dict[int, int]:
        """Category id -> label, of the categories that are among the classes."""
        names = {category["name"] for category in categories}
        missing = [name for name in required if name not in names]
        if missing:
            raise DatasetError(
                f"{self.annotations_path}: has no category {missing[0]!r}, only {sorted(names)}; name the classes it does "
                "label as `annotated_classes`"
            )
        return {c["id"]: self.classes.index(c["name"]) for c in categories if c["name"] in self.classes}

    def _load(self, content: dict[str, list[dict[str, Any]]], labels: dict[int, int], training: bool) -> None:
        by_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            if annotation["category_id"] in labels:
                by_image[annotation["image_id"]].append(annotation)
        images = content["images"]
        if training:
            images = [i for i in images if by_image[i["id"]] and min(i["width"], i["height"]) >= MIN_SIDE]
        if not images:
            raise DatasetError(f"{self.annotations_path}: no image of at least {MIN_SIDE} pixels shows any of the classes")
        self.image_ids = np.array([image["id"] for image in images], dtype=np.int64)
        self.image_hws = np.array([(image["height"], image["width"]) for image in images], dtype=np.int64)  # [I, 2]
        self.file_names = [image["file_name"] for image in images]
        self._annotations = self._pack([by_image[image["id"]] for image in images], labels)

    def _pack(self, groups: list[list[dict[str, Any]]], labels: dict[int, int]) -> _Annotations:
        kept, boxes, starts = [], [], [0]
        for group, image_hw in zip(groups, self.image_hws.tolist(), strict=True):
            for annotation in group:
                box = usable_box(annotation, tuple(image_hw), name=str(self.annotations_path))
                if box is not None:
                    kept.append(annotation)
                    boxes.append(box)
            starts.append(len(kept))
        segmentations = [annotation.get("segmentation") for annotation in kept]
        return _Annotations(
            starts=np.array(starts),
            ids=np.array([annotation["id"] for annotation in kept], dtype=np.int64),
            boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
            labels=np.array([labels[annotation["category_id"]] for annotation in kept], dtype=np.int64),
            is_crowd=np.array([bool(annotation.get("iscrowd")) for annotation in kept], dtype=bool),
            has_mask=np.array([has_mask(s) for s in segmentations], dtype=bool),
            segmentations=_Packed.pack(segmentations),
        )

    def _read_image(self, index: int) -> np.ndarray:
        """uint8 [H, W, 3] RGB."""
        path = self.image_folder / self.file_names[index]
        where = f"{path} (image {self.image_ids[index]} of {self.annotations_path})"
        if not path.is_file():
            raise DatasetError(f"{where}: no such image")
        data = np.fromfile(path, dtype=np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if image is None:
            raise DatasetError(f"{where}: not an image that can be decoded")
        height, width = self.image_hws[index].tolist()
        if image.shape[:2] != (height, width):
            raise DatasetError(f"{where}: is {image.shape[1]} x {image.shape[0]} pixels, the annotations say {width} x {height}")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _targets(self, index: int, image_hw: tuple[int, int]) -> Targets:
        table = self._annotations
        rows = slice(table.starts[index], table.starts[index + 1])
        return Targets(
            boxes=torch.from_numpy(table.boxes[rows].copy()),
            labels=torch.from_numpy(table.labels[rows].copy()),
            masks=self._masks(range(rows.start, rows.stop), image_hw),
            has_mask=torch.from_numpy(table.has_mask[rows].copy()),
            is_crowd=torch.from_numpy(table.is_crowd[rows].copy()),
            annotated_classes=self.annotated_classes,
        )

    def _masks(self, rows: range, image_hw: tuple[int, int]) -> BitMasks | None:
        table = self._annotations
        if not table.has_mask[rows.start : rows.stop].any():
            return None
        bitmaps = np.zeros((len(rows), *image_hw), dtype=bool)
        for bitmap, row in zip(bitmaps, rows, strict=True):
            if table.has_mask[row]:
                try:
                    bitmap[:] = decode_mask(table.segmentations[row], image_hw)
                except (ValueError, TypeError) as error:
                    where = f"{self.annotations_path}: annotation {table.ids[row]}"
                    raise DatasetError(f"{where}: its segmentation cannot be read: {error}") from None
        return BitMasks(torch.from_numpy(bitmaps))


def _annotated(names: Sequence[str] | None, classes: tuple[str, ...]) -> Tensor | None:
    """bool [C], or None when all classes are labelled."""
    if names is None:
        return None
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise DatasetError(f"annotated class {unknown[0]!r} is not among the classes {list(classes)}")
    return torch.tensor([name in names for name in classes])
