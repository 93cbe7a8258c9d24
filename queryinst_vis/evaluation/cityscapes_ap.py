"""Cityscapes' own average precision of objects, which is not COCO's: a function from masks to named numbers.

It equals cityscapesScripts' evalInstanceLevelSemanticLabeling.py (tests/evaluation/test_cityscapes_ap.py), but for one case:
where all of a class's results are ignored the script stops with an error; here the class counts 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.data.cityscapes_labels import LABEL_IDS
from queryinst_vis.data.classes import CITYSCAPES
from queryinst_vis.data.coco_json import DatasetError, check_coco, encode_mask, read_coco
from queryinst_vis.evaluation.cityscapes_matches import Matches, precisions
from queryinst_vis.ops.rle import RLE


class Prediction(NamedTuple):
    """One mask of an image; name: of its class."""

    name: str
    score: float
    code: RLE


class _Truth(NamedTuple):
    """A class in one image: codes of its objects and groups, and of all that is void."""

    codes: list[RLE]
    areas: np.ndarray
    is_group: np.ndarray


class CityscapesPrecision:
    """Measures results against one set of annotations, as often as wanted.

    annotations: the JSON of `convert-cityscapes`, or its content. DatasetError: it is unusable, or says of an image not what is
    void there.
    """

    def __init__(self, annotations: str | Path | Mapping[str, Any]) -> None:
        is_content = isinstance(annotations, Mapping)
        self._name = "annotations" if is_content else str(annotations)
        content = check_coco(annotations, name=self._name) if is_content else read_coco(annotations)  # type: ignore[arg-type]
        names = {category["id"]: category["name"] for category in content["categories"]}
        if not any(names[row["category_id"]] in CITYSCAPES for row in content["annotations"]):
            raise DatasetError(f"{self._name}: annotates no object of Cityscapes' classes, so there is nothing to measure")
        self._image_hws = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
        self._void = {image["id"]: self._void_of(image) for image in content["images"]}
        rows: dict[tuple[int, str], list[dict[str, Any]]] = {}
        for row in content["annotations"]:
            rows.setdefault((row["image_id"], names[row["category_id"]]), []).append(row)
        self._truth = {key: self._truth_of(group) for key, group in rows.items()}

    @property
    def image_ids(self) -> list[int]:
        """Of all images, in the order of the file."""
        return list(self._image_hws)

    def match(self, image_id: int, predictions: Iterable[Prediction]) -> dict[str, Matches]:
        """What one image's results share with its objects, by class. Empty masks are left out.

        DatasetError: the image is not listed, or a mask is of another size.
        """
        if image_id not in self._image_hws:
            raise DatasetError(f"{self._name}: results name image {image_id}, which is not listed under 'images'")
        by_class: dict[str, list[Prediction]] = {name: [] for name in CITYSCAPES}
        for prediction in predictions:
            if tuple(prediction.code["size"]) != self._image_hws[image_id]:
                sides = "a mask of {} x {} pixels, the annotations say {} x {}"
                sizes = (*prediction.code["size"][::-1], *self._image_hws[image_id][::-1])
                raise DatasetError(f"{self._name}: results for image {image_id} have {sides.format(*sizes)}")
            if prediction.name in by_class and coco_mask.area(prediction.code):
                by_class[prediction.name].append(prediction)
        return {name: self._matches(image_id, name, found) for name, found in by_class.items()}

    def metrics(self, matches: Mapping[int, Mapping[str, Matches]], *, per_class: bool = True) -> dict[str, float]:
        """AP and AP50, with `per_class` of each class too, like `AP_class/car`. matches: by image id; images that are not there
        have no results. -1 where there is no object to find."""
        everywhere = [matches[i] if i in matches else self.match(i, []) for i in self.image_ids]
        by_class = np.array([precisions([of_image[name] for of_image in everywhere]) for name in CITYSCAPES])  # [8, 10]
        metrics = {"AP": _mean(by_class), "AP50": _mean(by_class[:, 0])}
        for name, row in zip(CITYSCAPES, by_class, strict=True) if per_class else ():
            metrics |= {f"AP_class/{name}": _mean(row), f"AP50_class/{name}": _mean(row[:1])}
        return metrics

    def _void_of(self, image: dict[str, Any]) -> RLE:
        if not isinstance(image.get("void"), dict):
            raise DatasetError(
                f"{self._name}: image {image['id']} has no 'void', which this benchmark ignores; "
                "make the file with queryinst-vis convert-cityscapes"
            )
        return self._encode(image["void"], image["id"], f"'void' of image {image['id']}")

    def _truth_of(self, rows: Sequence[dict[str, Any]]) -> _Truth:
        codes = [self._encode(row.get("segmentation"), row["image_id"], f"annotation {row['id']}") for row in rows]
        is_group = np.array([bool(row.get("iscrowd")) for row in rows])
        return _Truth(codes, _areas(codes), is_group)

    def _encode(self, segmentation: Any, image_id: int, where: str) -> RLE:
        try:
            return encode_mask(segmentation, self._image_hws[image_id])
        except (ValueError, TypeError) as error:
            raise DatasetError(f"{self._name}: {where}: its mask cannot be read: {error}") from None

    def _matches(self, image_id: int, name: str, found: Sequence[Prediction]) -> Matches:
        truth = self._truth.get((image_id, name), _Truth([], np.zeros(0, np.int64), np.zeros(0, bool)))
        codes = [prediction.code for prediction in found]
        areas, shared = _areas(codes), np.zeros((len(codes), len(truth.codes) + 1))
        if codes:
            shares = coco_mask.iou(codes, [*truth.codes, self._void[image_id]], [1] * (len(truth.codes) + 1))
            shared = np.rint(shares * areas[:, None])  # with a crowd, what pycocotools calls IoU is the share of the result
        scores = np.array([prediction.score for prediction in found], dtype=np.float64)
        shared = shared.astype(np.int64)
        return Matches(scores, areas, shared[:, -1], shared[:, :-1], truth.areas, truth.is_group)


def evaluate_cityscapes(
    annotations: str | Path | Mapping[str, Any], results: Iterable[Mapping[str, Any]], *, per_class: bool = True
) -> dict[str, float]:
    """Numbers by name, in [0, 1]; see CityscapesPrecision.

    results: dicts of image_id, category_id (Cityscapes' numbers of labels), score and segmentation, a run-length code.
    """
    names = {label_id: name for name, label_id in LABEL_IDS.items()}
    measure = CityscapesPrecision(annotations)
    by_image: dict[int, list[Prediction]] = {}
    for result in results:
        name = names.get(result["category_id"], "")
        by_image.setdefault(result["image_id"], []).append(Prediction(name, result["score"], result["segmentation"]))
    return measure.metrics({i: measure.match(i, found) for i, found in by_image.items()}, per_class=per_class)


def _areas(codes: Sequence[RLE]) -> np.ndarray:
    """int64 [N]; one by one, as pycocotools fails on long lists."""
    return np.array([coco_mask.area(code) for code in codes], dtype=np.int64)


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined; -1 when nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else -1.0
