"""COCO average precision: against pycocotools' own summary, against values known beforehand, and what must not change it."""

import copy
import json

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from queryinst_vis.data.coco_json import DatasetError
from queryinst_vis.data.sample import Sample
from queryinst_vis.evaluation.coco import CocoMetric
from queryinst_vis.evaluation.coco_ap import evaluate_coco
from queryinst_vis.masks import BitMasks
from queryinst_vis.ops.boxes import xyxy_to_xywh
from queryinst_vis.ops.rle import decode
from queryinst_vis.structures import Instances, Targets

HW = (60, 80)
CATEGORIES = [
    {"id": 2, "name": "dog", "supercategory": "animal"},
    {"id": 5, "name": "person", "supercategory": "person"},
    {"id": 9, "name": "cat", "supercategory": "animal"},
    {"id": 11, "name": "bus", "supercategory": "vehicle"},
]
CLASSES = ("person", "cat", "dog", "bus")
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def _rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    bitmap = np.zeros(HW, dtype=bool)
    bitmap[y1:y2, x1:x2] = True
    return bitmap


def _code(bitmap: np.ndarray) -> dict:
    code = coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    return {"size": list(HW), "counts": code["counts"].decode()}


def _annotation(id: int, image_id: int, category_id: int, corners: tuple[int, int, int, int], **more) -> dict:
    x1, y1, x2, y2 = corners
    box = [x1, y1, x2 - x1, y2 - y1]
    return {
        "id": id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
        "segmentation": _code(_rectangle(*corners)),
    } | more


def _truth(annotations: list[dict], *, num_images: int = 3) -> dict:
    images = [{"id": i, "file_name": f"{i}.png", "height": HW[0], "width": HW[1]} for i in range(num_images)]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def _detection(annotation: dict, score: float = 0.9, **more) -> dict:
    keys = ("image_id", "category_id", "bbox", "segmentation")
    return {key: annotation[key] for key in keys} | {"score": score} | more


@pytest.fixture
def random_truth() -> dict:
    """Three images with some objects of dogs, persons and cats, one in five a crowd region."""
    rng = np.random.default_rng(0)
    annotations = []
    for number in range(40):
        x, y = int(rng.integers(0, 60)), int(rng.integers(0, 40))
        corners = (x, y, x + int(rng.integers(3, 20)), y + int(rng.integers(3, 20)))
        crowd = int(rng.random() < 0.2)
        annotations.append(_annotation(number + 1, number % 3, int(rng.choice([2, 5, 9])), corners, iscrowd=crowd))
    return _truth(annotations)


@pytest.fixture
def random_detections(random_truth) -> list[dict]:
    """The objects moved a little, some of another class, with noise in the masks."""
    rng = np.random.default_rng(1)
    detections = []
    for annotation in random_truth["annotations"] * 2:
        x, y, width, height = np.array(annotation["bbox"]) + rng.integers(-1, 2, 4)
        bitmap = _rectangle(max(x, 0), max(y, 0), x + width, y + height) & (rng.random(HW) < 0.95)
        category = annotation["category_id"] if rng.random() < 0.8 else 5
        box = [float(side) for side in (x, y, width, height)]
        detections.append(_detection(annotation, float(rng.random()), category_id=category, bbox=box, segmentation=_code(bitmap)))
    return detections


def _official(truth: dict, detections: list[dict], iou_type: str) -> list[float]:
    official = COCO()
    official.dataset = copy.deepcopy(truth)
    official.createIndex()
    rows = [{k: v for k, v in row.items() if iou_type == "bbox" or k != "bbox"} for row in copy.deepcopy(detections)]
    evaluation = COCOeval(official, official.loadRes(rows), iou_type)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats.tolist()


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_equals_pycocotools(random_truth, random_detections, iou_type):
    ours = evaluate_coco(random_truth, random_detections, iou_type=iou_type)
    official = _official(random_truth, random_detections, iou_type)
    assert [ours[name] for name in NAMES] == pytest.approx(official[:6], abs=1e-12)
    assert ours["AR"] == pytest.approx(official[8], abs=1e-12)
    assert 0.1 < ours["AP"] < ours["AP50"] < 0.9


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_input_is_left_alone_and_nothing_is_printed(random_truth, random_detections, iou_type, capsys):
    before = copy.deepcopy((random_truth, random_detections))
    evaluate_coco(random_truth, random_detections, iou_type=iou_type)
    assert (random_truth, random_detections) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("order", [1, -1])
def test_perfect_detections(random_truth, iou_type, order):
    detections = [_detection(a) for a in random_truth["annotations"] if not a["iscrowd"]][::order]
    metrics = evaluate_coco(random_truth, detections, iou_type=iou_type, per_class=True, groups=("animal", "vehicle"))
    assert metrics["AP"] == metrics["AP50_class/dog"] == metrics["AP_group/animal"] == pytest.approx(1)
    assert metrics["AP_class/bus"] == metrics["AP_group/vehicle"] == -1  # there is none to find


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_nothing_detected(random_truth, iou_type):
    metrics = evaluate_coco(random_truth, [], iou_type=iou_type, groups=("person", "vehicle"))
    assert {metrics[name] for name in ("AP", "AP50", "AP75", "AR", "AP_group/person")} == {0.0}
    assert metrics["AP_group/vehicle"] == -1


def test_groups_and_classes():
    dog, cat, person = (_annotation(i + 1, 0, c, (10 * i, 5, 10 * i + 8, 30)) for i, c in enumerate((2, 9, 5)))
    truth = _truth([dog, cat, person])
    detections = [_detection(dog), _detection(person)]
    metrics = evaluate_coco(truth, detections, iou_type="segm", groups=("animal", "person"), per_class=True)
    assert metrics["AP"] == pytest.approx(2 / 3)
    assert (metrics["AP_group/animal"], metrics["AP_group/person"]) == pytest.approx((0.5, 1))
    assert (metrics["AP50_class/dog"], metrics["AP50_class/cat"]) == pytest.approx((1, 0))
    assert evaluate_coco(truth, detections, iou_type="segm", classes=("cat", "person"))["AP"] == pytest.approx(0.5)


def test_size_of_a_mask_is_that_of_the_mask_not_of_its_box():
    """A thin cross of fewer than 32 * 32 pixels in a box of more."""
    bitmap = _rectangle(0, 20, 60, 22) | _rectangle(20, 0, 22, 60)
    annotation = _annotation(1, 0, 5, (0, 0, 60, 60), segmentation=_code(bitmap), area=int(bitmap.sum()))
    false = _detection(annotation, 0.99, segmentation=_code(np.roll(bitmap, 9)))  # false in `small` only
    metrics = evaluate_coco(_truth([annotation]), [_detection(annotation), false], iou_type="segm")
    assert (metrics["APs"], metrics["APm"], metrics["APl"]) == pytest.approx((0.5, -1, -1), abs=0.01)


def test_annotation_with_id_0_is_found():
    annotation = _annotation(0, 0, 5, (2, 2, 30, 40))
    assert evaluate_coco(_truth([annotation]), [_detection(annotation)], iou_type="bbox")["AP"] == pytest.approx(1)


def test_missing_area_and_iscrowd():
    annotation = {key: v for key, v in _annotation(1, 0, 5, (2, 2, 30, 40)).items() if key not in ("area", "iscrowd")}
    assert evaluate_coco(_truth([annotation]), [_detection(annotation)], iou_type="segm")["AP"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"image_id": 77}, "image_id 77.*'images'"), ({"category_id": 77}, "category_id 77.*'categories'")],
)
def test_detections_of_something_unknown(change, message):
    annotation = _annotation(1, 0, 5, (2, 2, 30, 40))
    with pytest.raises(DatasetError, match=message):
        evaluate_coco(_truth([annotation]), [_detection(annotation, **change)], iou_type="bbox")


def test_unknown_iou_type():
    with pytest.raises(ValueError, match=r"one of \('bbox', 'segm'\), got 'mask'"):
        evaluate_coco(_truth([]), [], iou_type="mask")


def test_masks_cannot_be_measured_on_boxes():
    annotation = _annotation(4, 1, 5, (2, 2, 30, 40), segmentation=[])
    with pytest.raises(DatasetError, match="annotation 4 of image 1: has no mask"):
        evaluate_coco(_truth([annotation]), [], iou_type="segm")


# The metric


def _batch(detections: list[dict], *, num_images: int = 3) -> tuple[list[Sample], list[Instances]]:
    """What loader and model give for detections in COCO's form."""
    labels = {category["id"]: CLASSES.index(category["name"]) for category in CATEGORIES}
    samples, outputs = [], []
    for image_id in range(num_images):
        rows = [d for d in detections if d["image_id"] == image_id]
        boxes = torch.tensor([d["bbox"] for d in rows], dtype=torch.float32).reshape(-1, 4)
        bitmaps = np.array([decode(d["segmentation"]) for d in rows], dtype=bool).reshape(-1, *HW)
        outputs.append(
            Instances(
                HW,
                torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1),
                torch.tensor([d["score"] for d in rows], dtype=torch.float32),
                torch.tensor([labels[d["category_id"]] for d in rows], dtype=torch.int64),
                masks=BitMasks(torch.from_numpy(bitmaps)),
            )
        )
        nothing = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
        samples.append(Sample(torch.zeros(3, 1, 1, dtype=torch.uint8), nothing, image_id, HW, f"{image_id}.png"))
    return samples, outputs


@pytest.fixture
def truth_file(random_truth, tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(random_truth))
    return path


def test_metric_equals_function(random_truth, random_detections, truth_file):
    metric = CocoMetric(truth_file, classes=CLASSES, groups=("animal",), per_class=True)
    samples, outputs = _batch(random_detections)
    metric.process(samples[:2], outputs[:2])
    metric.process(samples[2:], outputs[2:])
    metrics = metric.evaluate(size=3)
    for iou_type in ("bbox", "segm"):
        expected = evaluate_coco(random_truth, random_detections, iou_type=iou_type, groups=("animal",))
        for name, value in expected.items():
            assert metrics[f"coco/{iou_type}_{name}"] == pytest.approx(value, abs=1e-6)
    assert [f"coco/{name}" for name in metric.names()] == list(metrics)
    assert not any("loss" in name for name in metrics)
    assert metric.results == []  # ready for the next epoch


def test_metric_of_some_classes_only(random_truth, random_detections, truth_file):
    """A model of other classes: labels are positions in its own list, what the file does not know is not measured."""
    metric = CocoMetric(truth_file, classes=("zebra", "person"), iou_types=("bbox",))
    boxes = torch.tensor([[0.0, 0, 9, 9]]).repeat(2, 1)
    samples, _ = _batch([], num_images=1)
    metric.process(samples, [Instances(HW, boxes, torch.tensor([0.5, 0.6]), torch.tensor([0, 1]))])
    assert [d["category_id"] for d in metric.results[0]["detections"]] == [5]
    assert set(metric.evaluate(size=1)) >= {"coco/bbox_AP"}
    with pytest.raises(DatasetError, match="none of its categories"):
        CocoMetric(truth_file, classes=("zebra",))


def test_metric_with_nothing_detected(truth_file):
    metric = CocoMetric(truth_file, classes=CLASSES)
    samples, outputs = _batch([])
    metric.process(samples, [Instances.empty(HW), *outputs[1:]])
    metrics = metric.evaluate(size=3)
    assert metrics["coco/bbox_AP"] == metrics["coco/segm_AP50"] == 0


def test_metric_counts_an_image_once(random_detections, truth_file):
    """Two processes may both be given the last image."""
    values = []
    for repeat in (1, 2):
        metric = CocoMetric(truth_file, classes=CLASSES)
        for _ in range(repeat):
            metric.process(*_batch(random_detections))
        values.append(metric.evaluate(size=3 * repeat))
    assert values[0] == values[1]


def test_metric_keeps_the_best_100_and_no_pixels(truth_file):
    metric = CocoMetric(truth_file, classes=CLASSES)
    annotation = _annotation(1, 0, 5, (2, 2, 30, 40))
    scores = np.random.default_rng(0).permutation(150) / 150
    metric.process(*_batch([_detection(annotation, float(score)) for score in scores]))
    kept = [d["score"] for d in metric.results[0]["detections"]]
    assert kept == pytest.approx(np.arange(149, 49, -1) / 150, abs=1e-6)
    json.dumps(metric.results)  # plain values


def test_metric_can_be_used_again(random_detections, truth_file):
    metric = CocoMetric(truth_file, classes=CLASSES)
    values = []
    for _ in range(2):
        metric.process(*_batch(random_detections))
        values.append(metric.evaluate(size=3))
    assert values[0] == values[1]


def test_metric_refuses_boxes_before_the_model_has_run(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(_truth([_annotation(4, 1, 5, (2, 2, 30, 40), segmentation=[])])))
    with pytest.raises(DatasetError, match=r"boxes.json: annotation 4 of image 1: has no mask"):
        CocoMetric(path, classes=CLASSES)
    CocoMetric(path, classes=CLASSES, iou_types=("bbox",))


def test_format_only_writes_files_for_a_server(random_detections, truth_file, tmp_path):
    metric = CocoMetric(truth_file, classes=CLASSES, output=tmp_path / "out" / "model", format_only=True)
    metric.process(*_batch(random_detections))
    assert metric.evaluate(size=3) == {}
    boxes = json.loads((tmp_path / "out" / "model.bbox.json").read_text())
    masks = json.loads((tmp_path / "out" / "model.segm.json").read_text())
    assert set(boxes[0]) == {"image_id", "category_id", "score", "bbox"}
    assert set(masks[0]) == {"image_id", "category_id", "score", "segmentation"}
    assert len(boxes) == len(masks) == len(random_detections)
    official = COCO(str(truth_file))
    official.loadRes(boxes)
    official.loadRes(masks)
    with pytest.raises(ValueError, match="output"):
        CocoMetric(truth_file, classes=CLASSES, format_only=True)


def test_model_without_masks(truth_file):
    metric = CocoMetric(truth_file, classes=CLASSES)
    samples, _ = _batch([], num_images=1)
    found = Instances(HW, torch.ones(1, 4), torch.ones(1), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="no masks"):
        metric.process(samples, [found])


def test_annotations_of_real_images_score_perfectly(shared_data):
    path = shared_data / "coco_mini_val.json"
    truth = json.loads(path.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    detections = []
    for annotation in truth["annotations"]:
        if not annotation["iscrowd"]:
            segmentation = annotation["segmentation"]
            if isinstance(segmentation, list):
                segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, *sizes[annotation["image_id"]]))
            detections.append(_detection(annotation, segmentation=segmentation))
    for iou_type in ("bbox", "segm"):
        assert evaluate_coco(path, detections, iou_type=iou_type, groups=("person",))["AP"] == pytest.approx(1)


def test_boxes_are_left_top_width_height(truth_file):
    metric = CocoMetric(truth_file, classes=CLASSES, iou_types=("bbox",))
    samples, _ = _batch([], num_images=1)
    boxes = torch.tensor([[1.5, 2.0, 10.0, 30.25]])
    metric.process(samples, [Instances(HW, boxes, torch.ones(1), torch.zeros(1, dtype=torch.int64))])
    assert metric.results[0]["detections"][0]["bbox"] == xyxy_to_xywh(boxes)[0].tolist() == [1.5, 2.0, 8.5, 28.25]
