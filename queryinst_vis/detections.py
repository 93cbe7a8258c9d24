"""The objects of single pictures as a COCO JSON with scores, written as they come (docs/json_format.md)."""

import json
import os
from collections.abc import Sequence
from typing import Any

from queryinst_vis.ops.boxes import xyxy_to_xywh
from queryinst_vis.ops.rle import RLE, area, to_json
from queryinst_vis.outputs import ClosedOrKept, check_new_file, part_of
from queryinst_vis.structures import Instances


class DetectionLog(ClosedOrKept):
    """Takes in the instances of one picture after the other. The file appears under its name when it is complete.

    On leaving a `with` block by an exception, what was added stays, as a complete document, in NAME.part.
    """

    def __init__(self, path: str | os.PathLike[str], *, classes: Sequence[str], overwrite: bool = False) -> None:
        """classes: names in label order; a category's id is its label + 1. UserError: no file may be made there."""
        self.path = check_new_file(path, overwrite=overwrite)
        self.num_objects = 0
        self._images: list[dict[str, Any]] = []
        self._file = part_of(self.path).open("w", encoding="utf-8")
        self._file.write(f'{{"categories": {json.dumps(categories(classes))},\n"annotations": [')

    @property
    def num_images(self) -> int:
        return len(self._images)

    def add(self, file_name: str, instances: Instances) -> None:
        """Keep the objects of the next picture."""
        height, width = instances.image_hw
        self._images.append({"id": len(self._images) + 1, "file_name": file_name, "width": width, "height": height})
        for annotation in self._annotations(instances):
            self.num_objects += 1
            self._file.write((",\n" if self.num_objects > 1 else "\n") + json.dumps({"id": self.num_objects} | annotation))

    def _annotations(self, instances: Instances) -> list[dict[str, Any]]:
        boxes = xyxy_to_xywh(instances.boxes).double().numpy().round(2).tolist()
        scores = [round(score, 4) for score in instances.scores.tolist()]
        codes = [None] * len(instances) if instances.masks is None else instances.masks.rles()
        rows = zip(instances.labels.tolist(), boxes, scores, codes, strict=True)
        return [coco_annotation(self.num_images, *row) for row in rows]

    def close(self) -> None:
        """Finish the file and give it its name."""
        self.keep()
        os.replace(part_of(self.path), self.path)

    def keep(self) -> None:
        """Finish the file, which stays NAME.part."""
        with self._file:
            self._file.write(f'\n],\n"images": {json.dumps(self._images)}}}\n')


def coco_annotation(image_id: int, label: int, box: Sequence[float], score: float, code: RLE | None) -> dict[str, Any]:
    """An object in a picture, without the annotation's id. box: left, top, width, height."""
    row = {"image_id": image_id, "category_id": label + 1, "bbox": list(box), "score": score, "iscrowd": 0}
    if code is None:
        return row | {"area": box[2] * box[3]}
    return row | {"area": area(code), "segmentation": to_json(code)}


def categories(classes: Sequence[str]) -> list[dict[str, Any]]:
    """COCO's list of classes, ids from 1."""
    return [{"id": label + 1, "name": name} for label, name in enumerate(classes)]
