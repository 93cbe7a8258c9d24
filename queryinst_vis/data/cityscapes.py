"""Cityscapes' own annotations (gtFine) to COCO's JSON, with the classes of its instance benchmark.

Objects and groups of an image are those of its instance image, hence the same whichever of the two sources it comes from. Beside
COCO's fields each image has `void`, a run-length code of what the benchmark ignores (evaluation/cityscapes_ap.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from queryinst_vis.data.cityscapes_ids import draw_instance_ids, read_instance_ids
from queryinst_vis.data.cityscapes_labels import IDS_PER_LABEL, LABEL_IDS, LABELS
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.ops.rle import encode_window, to_json

Source = Literal["instance-ids", "polygons"]
ENDINGS: dict[Source, str] = {"instance-ids": "_gtFine_instanceIds.png", "polygons": "_gtFine_polygons.json"}
PICTURE_ENDING = "_leftImg8bit.png"
CATEGORIES = [{"id": label_id, "name": name} for name, label_id in LABEL_IDS.items()]
_VOID_IDS = [label.id for label in LABELS if label.is_void and label.id >= 0]


@dataclass(slots=True)
class CityscapesSplit:
    """The files of one split. images: names of pictures relative to `folder`, leftImg8bit/SPLIT; annotations: the file of each,
    none in a split without annotations; missing: pictures that are not there; unannotated: those there is no annotation for."""

    folder: Path
    source: Source | None
    images: list[str]
    annotations: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unannotated: list[str] = field(default_factory=list)


def find_annotated(root: Path, split: str, source: Source | None = None) -> CityscapesSplit:
    """Everything annotated in gtFine/SPLIT. source: by default instance images, or polygons where there are none."""
    annotated, pictures = root / "gtFine" / split, root / "leftImg8bit" / split
    if not annotated.is_dir():
        raise DatasetError(f"{annotated}: no such folder; unpack gtFine_trainvaltest.zip in {root}")
    found: dict[Source, list[Path]] = {kind: sorted(annotated.glob(f"*/*{ending}")) for kind, ending in ENDINGS.items()}
    source = source or next((kind for kind, paths in found.items() if paths), "polygons")
    if not found[source]:
        raise DatasetError(f"{annotated}: holds no CITY/*{ENDINGS[source]}")
    stems = [f"{path.parent.name}/{path.name.removesuffix(ENDINGS[source])}" for path in found[source]]
    images = [stem + PICTURE_ENDING for stem in stems]
    there = _pictures(pictures)
    known, present = set(images), set(there)
    missing = [image for image in images if image not in present]
    return CityscapesSplit(pictures, source, images, found[source], missing, [name for name in there if name not in known])


def find_pictures(root: Path, split: str) -> CityscapesSplit:
    """All of leftImg8bit/SPLIT, whose annotations nobody has."""
    folder = root / "leftImg8bit" / split
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; unpack leftImg8bit_trainvaltest.zip in {root}")
    images = _pictures(folder)
    if not images:
        raise DatasetError(f"{folder}: holds no CITY/*{PICTURE_ENDING}")
    return CityscapesSplit(folder, None, images)


def to_coco(split: CityscapesSplit, *, on_image: Callable[[], None] = lambda: None) -> dict[str, list[dict[str, Any]]]:
    """COCO's `images`, `annotations` and `categories`, ids from 1 in the order of the names; category ids are Cityscapes'
    numbers of labels. on_image: called after each image. DatasetError names the file that cannot be used."""
    images, annotations = [], []
    for image_id, name in enumerate(split.images, start=1):
        row: dict[str, Any] = {"id": image_id, "file_name": name}
        if split.source is None:
            width, height = _picture_size(split.folder / name)
            images.append(row | {"width": width, "height": height})
        else:
            read = read_instance_ids if split.source == "instance-ids" else draw_instance_ids
            ids = read(split.annotations[image_id - 1])
            images.append(row | {"width": ids.shape[1], "height": ids.shape[0], "void": void_code(ids)})
            for fields in objects_of(ids):
                annotations.append({"id": len(annotations) + 1, "image_id": image_id, **fields})
        on_image()
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def objects_of(ids: np.ndarray) -> Iterator[dict[str, Any]]:
    """COCO's fields of each object and, as crowd regions, of each class's groups together. ids: int32 [H, W] instance image."""
    counts = np.bincount(ids.ravel())
    numbers = np.flatnonzero(counts)
    labels = np.where(numbers < IDS_PER_LABEL, numbers, numbers // IDS_PER_LABEL)
    wanted = np.isin(labels, list(LABEL_IDS.values()))
    ranks = np.zeros(len(counts), dtype=np.int32)
    ranks[numbers[wanted]] = np.arange(1, wanted.sum() + 1)
    places = ndimage.find_objects(ranks[ids])
    for number, label, (rows, columns) in zip(numbers[wanted].tolist(), labels[wanted].tolist(), places, strict=True):
        code = encode_window(ids[rows, columns] == number, rows.start, columns.start, ids.shape)
        yield {
            "category_id": label,
            "iscrowd": int(number < IDS_PER_LABEL),
            "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
            "area": int(counts[number]),
            "segmentation": to_json(code),
        }


def void_code(ids: np.ndarray) -> dict[str, Any]:
    """Run-length code of the pixels that the benchmark ignores."""
    is_void = np.zeros(max(int(ids.max()), *_VOID_IDS) + 1, dtype=bool)
    is_void[_VOID_IDS] = True
    return to_json(encode_window(is_void[ids], 0, 0, ids.shape))


def _pictures(folder: Path) -> list[str]:
    return sorted(f"{path.parent.name}/{path.name}" for path in folder.glob(f"*/*{PICTURE_ENDING}"))


def _picture_size(path: Path) -> tuple[int, int]:
    """(width, height), of which only the beginning of the file is read."""
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError):
        raise DatasetError(f"{path}: not an image that can be read") from None
