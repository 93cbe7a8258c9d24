"""Random images in Cityscapes' kinds of files, and results for them."""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from mmengine.evaluator import Evaluator

from queryinst_vis.data.cityscapes import CATEGORIES, objects_of, void_code
from queryinst_vis.data.cityscapes_labels import LABEL_IDS
from queryinst_vis.data.classes import CITYSCAPES
from queryinst_vis.data.sample import Sample
from queryinst_vis.evaluation.cityscapes import CityscapesMetric
from queryinst_vis.masks import BitMasks
from queryinst_vis.ops.rle import encode_window
from queryinst_vis.structures import Instances, Targets

HW = (64, 96)
BACKGROUND = (0, 3, 4, 7, 11, 18, 21, 23, 29)  # void and not
LABELS = {label_id: CITYSCAPES.index(name) for name, label_id in LABEL_IDS.items()}  # Cityscapes' number -> a model's label


class Found(NamedTuple):
    """A result: Cityscapes' number of its label, and its mask bool [H, W]."""

    label: int
    score: float
    mask: np.ndarray


class Picture(NamedTuple):
    """ids: instance image int32 [H, W]."""

    ids: np.ndarray
    found: list[Found]


def random_set(rng: np.random.Generator, *, hw: tuple[int, int] = HW) -> list[Picture]:
    """A few images of few classes: void, groups, objects from one pixel up; results near them, of wrong classes, and anywhere."""
    classes = rng.choice(list(LABELS), size=rng.integers(1, 4), replace=False).tolist()
    return [_picture(rng, classes, hw) for _ in range(rng.integers(1, 5))]


def content_of(pictures: list[Picture]) -> dict:
    """COCO JSON of a set; image ids from 1."""
    images, annotations = [], []
    for image_id, (ids, _) in enumerate(pictures, start=1):
        size = {"height": ids.shape[0], "width": ids.shape[1]}
        images.append({"id": image_id, "file_name": name_of(image_id - 1), **size, "void": void_code(ids)})
        annotations += [{"image_id": image_id, **fields} for fields in objects_of(ids)]
    annotations = [{"id": number, **row} for number, row in enumerate(annotations, start=1)]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def results_of(pictures: list[Picture]) -> list[dict]:
    """All results, as COCO has them."""
    return [
        {
            "image_id": image_id,
            "category_id": found.label,
            "score": found.score,
            "segmentation": encode_window(found.mask, 0, 0, found.mask.shape),
        }
        for image_id, picture in enumerate(pictures, start=1)
        for found in picture.found
    ]


def name_of(index: int) -> str:
    """Of a picture, relative to leftImg8bit/SPLIT."""
    return f"ulm/ulm_{index:06d}_000019_leftImg8bit.png"


def write_raw(root: Path, pictures: list[np.ndarray], split: str = "val", *, polygons: list[dict] | None = None) -> None:
    """Cityscapes' folders: instance images, grey pictures, and polygons if given."""
    for index, ids in enumerate(pictures):
        city, _, name = name_of(index).partition("/")
        picture = root / "leftImg8bit" / split / city / name
        annotation = root / "gtFine" / split / city / name.replace("_leftImg8bit", "_gtFine_instanceIds")
        for folder in (picture.parent, annotation.parent):
            folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(picture), np.full((*ids.shape, 3), 90, np.uint8))
        cv2.imwrite(str(annotation), ids.astype(np.uint16))
        if polygons:
            path = annotation.with_name(annotation.name.replace("_instanceIds.png", "_polygons.json"))
            path.write_text(json.dumps(polygons[index]))


def random_polygons(rng: np.random.Generator, *, hw: tuple[int, int] = HW) -> dict:
    """A `*_gtFine_polygons.json` of stars, slivers and lines, some beyond the picture's border, some deleted."""
    names = [
        "road",
        "out of roi",
        "car",
        "cargroup",
        "person",
        "persongroup",
        "caravan",
        "trailergroup",
        "polegroup",
        "license plate",
    ]
    objects = []
    for _ in range(rng.integers(0, 25)):
        centre, angles = rng.uniform(0, 1, 2) * hw[::-1], np.sort(rng.uniform(0, 2 * np.pi, rng.integers(2, 12)))
        points = centre + rng.uniform(1, 30, (len(angles), 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        item = {"label": str(rng.choice(names)), "polygon": np.round(points).astype(int).tolist()}
        objects.append(item | ({"deleted": int(rng.random() < 0.5)} if rng.random() < 0.2 else {}))
    return {"imgHeight": hw[0], "imgWidth": hw[1], "objects": objects}


def feed(metric: CityscapesMetric, pictures: list[Picture], labels: dict[int, int] = LABELS) -> dict[str, float]:
    """What a metric makes of all results of these labels."""
    evaluator = Evaluator([metric])
    for index, (ids, found) in enumerate(pictures):
        found = [row for row in found if row.label in labels]
        instances = Instances(
            ids.shape,
            torch.zeros(len(found), 4),
            torch.tensor([row.score for row in found], dtype=torch.float64),
            torch.tensor([labels[row.label] for row in found], dtype=torch.int64),
            masks=BitMasks(torch.tensor(np.array([row.mask for row in found], dtype=bool).reshape(-1, *ids.shape))),
        )
        image = torch.zeros(3, 4, 4, dtype=torch.uint8)
        sample = Sample(image, Targets(torch.zeros(0, 4), torch.zeros(0)), index + 1, ids.shape, name_of(index))
        evaluator.process(data_samples=[instances], data_batch=[sample])
    return evaluator.evaluate(len(pictures))


def _picture(rng: np.random.Generator, classes: list[int], hw: tuple[int, int]) -> Picture:
    ids = np.zeros(hw, dtype=np.int32)
    for label in rng.choice(BACKGROUND, size=4):
        ids[_rectangle(rng, hw, 60)] = label
    counts = dict.fromkeys([*classes, 29], 0)
    for label in rng.choice([*classes, *classes, 29], size=rng.integers(0, 14)).tolist():
        mask = _rectangle(rng, hw, 30 if rng.random() < 0.6 else 15)
        if rng.random() < 0.3:
            ids[mask] = label
        else:
            ids[mask] = 1000 * label + counts[label]
            counts[label] += 1
    found = [_near(rng, ids, classes) if rng.random() < 0.8 else _anywhere(rng, classes, hw) for _ in range(rng.integers(0, 20))]
    return Picture(ids, found)


def _rectangle(rng: np.random.Generator, hw: tuple[int, int], longest: int) -> np.ndarray:
    """bool [H, W]. Even corners, so that overlaps often are round numbers."""
    top, left = (int(rng.integers(-6, side)) for side in hw)
    height, width = (int(side) for side in rng.integers(1, longest // 2 + 1, 2) * 2)
    mask = np.zeros(hw, dtype=bool)
    mask[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = True
    return mask


def _near(rng: np.random.Generator, ids: np.ndarray, classes: list[int]) -> Found:
    """A region, moved or cut, or joined to another; at times of another class."""
    numbers = np.unique(ids)
    number = int(rng.choice(numbers[numbers >= 24] if rng.random() < 0.9 and (numbers >= 24).any() else numbers))
    mask = ids == number
    change = rng.random()
    if change < 0.3:
        mask = np.roll(mask, rng.integers(-3, 4, 2), (0, 1))
    elif change < 0.5:
        mask = mask & (np.cumsum(mask).reshape(mask.shape) <= mask.sum() * rng.choice([0.5, 0.55, 0.6, 0.75, 0.8]))
    elif change < 0.6:
        mask = mask | (ids == rng.choice(numbers))
    label = number if number < 1000 else number // 1000
    if label not in classes or rng.random() < 0.15:
        label = int(rng.choice([*classes, 7, 29, 24]))
    return Found(label, _score(rng), mask)


def _anywhere(rng: np.random.Generator, classes: list[int], hw: tuple[int, int]) -> Found:
    mask = _rectangle(rng, hw, 40) if rng.random() < 0.8 else np.full(hw, rng.random() < 0.5)
    return Found(int(rng.choice(classes)), _score(rng), mask)


def _score(rng: np.random.Generator) -> float:
    """Often one of few values."""
    return float(rng.integers(1, 10) / 10 if rng.random() < 0.6 else rng.random())
