"""The usable annotations of a dataset in a few arrays instead of millions of Python objects.

Worker processes that are forked share the arrays; a mask is decoded when its image is asked for.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from queryinst_vis.data.coco_json import DatasetError, decode_mask, has_mask, usable_box
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Targets


@dataclass(slots=True)
class _PackedJson:
    """JSON values in one buffer; value i is buffer[starts[i] : starts[i + 1]]."""

    buffer: bytes
    starts: np.ndarray

    @classmethod
    def pack(cls, values: Iterable[Any]) -> "_PackedJson":
        texts = [json.dumps(value).encode() for value in values]
        return cls(b"".join(texts), np.cumsum([0, *map(len, texts)]))

    def __getitem__(self, index: int) -> Any:
        return json.loads(self.buffer[self.starts[index] : self.starts[index + 1]])


@dataclass(slots=True, eq=False)
class AnnotationTable:
    """A annotations of I images; those of image i are rows starts[i] : starts[i + 1]. name: the file, for messages."""

    name: str
    image_hws: np.ndarray  # int64 [I, 2], height and width
    starts: np.ndarray  # int64 [I + 1]
    ids: np.ndarray  # int64 [A]
    boxes: np.ndarray  # float32 [A, 4] xyxy, clipped to the image
    labels: np.ndarray  # int64 [A]
    is_crowd: np.ndarray  # bool [A]
    has_mask: np.ndarray  # bool [A]
    segmentations: _PackedJson
    track_ids: np.ndarray | None = None  # int64 [A]

    @classmethod
    def pack(
        cls,
        groups: Sequence[Sequence[dict[str, Any]]],
        image_hws: np.ndarray,
        labels: dict[int, int],
        *,
        name: str,
        places: Iterable[str],
        has_tracks: bool = False,
    ) -> "AnnotationTable":
        """From the annotations of each image, as COCO's dicts, without those that `usable_box` leaves out.

        labels: category id -> label. places: what each image is called in messages. has_tracks: the dicts have a `track_id`.
        Raises DatasetError for a box that makes no sense.
        """
        kept, boxes, starts = [], [], [0]
        for group, image_hw, place in zip(groups, image_hws.tolist(), places, strict=True):
            for annotation in group:
                where = f"{name}: annotation {annotation['id']} of {place}"
                box = usable_box(annotation, tuple(image_hw), where=where)
                if box is not None:
                    kept.append(annotation)
                    boxes.append(box)
            starts.append(len(kept))
        segmentations = [annotation.get("segmentation") for annotation in kept]
        return cls(
            name=name,
            image_hws=image_hws,
            starts=np.array(starts),
            ids=np.array([annotation["id"] for annotation in kept], dtype=np.int64),
            boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
            labels=np.array([labels[annotation["category_id"]] for annotation in kept], dtype=np.int64),
            is_crowd=np.array([bool(annotation.get("iscrowd")) for annotation in kept], dtype=bool),
            has_mask=np.array([has_mask(segmentation) for segmentation in segmentations], dtype=bool),
            segmentations=_PackedJson.pack(segmentations),
            track_ids=np.array([annotation["track_id"] for annotation in kept], dtype=np.int64) if has_tracks else None,
        )

    def targets(self, index: int) -> Targets:
        """Ground truth of image `index` in its own pixels. Raises DatasetError for a mask that cannot be read."""
        rows = slice(self.starts[index], self.starts[index + 1])
        return Targets(
            boxes=torch.from_numpy(self.boxes[rows].copy()),
            labels=torch.from_numpy(self.labels[rows].copy()),
            masks=self._masks(range(rows.start, rows.stop), tuple(self.image_hws[index].tolist())),
            has_mask=torch.from_numpy(self.has_mask[rows].copy()),
            is_crowd=torch.from_numpy(self.is_crowd[rows].copy()),
            track_ids=None if self.track_ids is None else torch.from_numpy(self.track_ids[rows].copy()),
        )

    def num_objects(self) -> np.ndarray:
        """int64 [I], annotations of each image that are no crowd regions."""
        return np.diff(np.concatenate([[0], np.cumsum(~self.is_crowd)])[self.starts])

    def _masks(self, rows: range, image_hw: tuple[int, int]) -> BitMasks | None:
        if not self.has_mask[rows.start : rows.stop].any():
            return None
        bitmaps = np.zeros((len(rows), *image_hw), dtype=bool)
        for bitmap, row in zip(bitmaps, rows, strict=True):
            if self.has_mask[row]:
                bitmap[:] = self._mask(row, image_hw)
        return BitMasks(torch.from_numpy(bitmaps))

    def _mask(self, row: int, image_hw: tuple[int, int]) -> np.ndarray:
        try:
            return decode_mask(self.segmentations[row], image_hw)
        except (ValueError, TypeError) as error:
            raise DatasetError(f"{self.name}: annotation {self.ids[row]}: its segmentation cannot be read: {error}") from None
