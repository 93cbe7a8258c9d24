"""Test-time augmentation against a plain, dense one; what mirroring does; and that without views nothing changes."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from blobs import GREEN, RED, BlobModel, disc_image

from queryinst_vis.masks import BitMasks, RoiMasks
from queryinst_vis.models import QueryInst
from queryinst_vis.models.base import ImageModel, Preprocess
from queryinst_vis.models.test_time import TestTimeAugmentation
from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.pipeline import track_video
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers import build_tracker


def picture(seed: int, height: int = 48, width: int = 65) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def sighted(model: QueryInst) -> QueryInst:
    """With boxes that stay near the picture, scores that differ and masks that are neither full nor empty."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "fc_reg" in name:
                parameter.normal_(std=0.02)
            if name.startswith("mask_heads.") and "logits.weight" in name:
                parameter.sub_(parameter.mean(1, keepdim=True)).mul_(100)
            if "fc_cls.weight" in name:
                parameter.normal_(std=0.5)
    return model


def dense_views(model: ImageModel, image: np.ndarray, shorts: Sequence[int], flip: bool) -> list[dict]:
    """One dict of arrays a view: boxes, scores, labels and masks as whole pictures, mirrored back."""
    views = []
    own = model.preprocess
    for short in shorts:
        for mirrored in [False, True] if flip else [False]:
            model.preprocess = Preprocess(short, round(short * own.long / own.short))
            (found,) = model.predict([np.ascontiguousarray(image[:, ::-1]) if mirrored else image])
            boxes, masks = found.boxes.numpy().copy(), found.masks.bitmaps().numpy()
            if mirrored:
                width = image.shape[1]
                boxes[:, 0], boxes[:, 2] = width - found.boxes[:, 2].numpy(), width - found.boxes[:, 0].numpy()
                masks = masks[:, :, ::-1]
            labels = found.labels.numpy()
            views.append({"boxes": boxes, "scores": found.scores.numpy(), "labels": labels, "masks": masks})
    model.preprocess = own
    return views


def merge_plainly(views: list[dict], *, threshold: float, count: int) -> dict:
    """Take detections by falling score, each unless one of its class that was taken overlaps it more than `threshold`."""
    joined = {name: np.concatenate([view[name] for view in views]) for name in views[0]}
    taken: list[int] = []
    for row in np.argsort(-joined["scores"], kind="stable"):
        same = [other for other in taken if joined["labels"][other] == joined["labels"][row]]
        boxes = torch.from_numpy(joined["boxes"])
        if not same or box_iou(boxes[[row]], boxes[same]).max() <= threshold:
            taken.append(int(row))
    return {name: values[taken[:count]] for name, values in joined.items()}


@pytest.mark.parametrize(("shorts", "flip"), [((64,), True), ((48, 64), False), ((48, 64, 80), True)])
@pytest.mark.parametrize("threshold", [0.7, 0.3])
def test_equals_a_plain_dense_merging(sighted: QueryInst, shorts: tuple[int, ...], flip: bool, threshold: float) -> None:
    image = picture(3)
    expected = merge_plainly(dense_views(sighted, image, shorts, flip), threshold=threshold, count=8)
    (found,) = TestTimeAugmentation(sighted, shorts=shorts, flip=flip, nms_threshold=threshold).predict([image])
    np.testing.assert_array_equal(found.scores, expected["scores"])
    np.testing.assert_array_equal(found.labels, expected["labels"])
    np.testing.assert_allclose(found.boxes, expected["boxes"], atol=1e-5)
    assert isinstance(found.masks, RoiMasks)
    different = (found.masks.bitmaps().numpy() != expected["masks"]).sum((1, 2))
    assert expected["masks"].sum() > 40
    assert different.max() <= 3  # pixels on the edge, by rounding
    assert len(found.query_ids.unique()) <= len(found)


def test_one_view_is_the_model(model: QueryInst) -> None:
    images = [picture(0), picture(1, 60, 40)]
    alone = model.predict(images, min_score=0.01)
    for augmented in (TestTimeAugmentation(model, flip=False), TestTimeAugmentation(model, shorts=[64], flip=False)):
        assert augmented.num_views == 1
        for found, expected in zip(augmented.predict(images, min_score=0.01), alone, strict=True):
            assert found.boxes.equal(expected.boxes)
            assert found.scores.equal(expected.scores)
            assert found.masks.rles() == expected.masks.rles()


def test_a_symmetric_picture_gives_each_detection_and_its_mirror_image(model: QueryInst) -> None:
    half = np.repeat(np.repeat(picture(5, 6, 4), 8, 0), 8, 1)
    image = np.concatenate([half, half[:, ::-1]], 1)
    views = TestTimeAugmentation(model, nms_threshold=1.0, max_detections=16)
    (found,) = views.predict([image])
    (alone,) = model.predict([image])
    assert len(found) == 2 * len(alone)
    pairs = found[torch.arange(0, 16, 2)], found[torch.arange(1, 16, 2)].flipped()
    assert pairs[0].scores.equal(pairs[1].scores)
    sorted_pairs = [x.boxes[x.scores.argsort(stable=True)] for x in pairs]
    torch.testing.assert_close(*sorted_pairs, atol=1e-4, rtol=0)


def test_same_query_of_two_views_is_two_queries(model: QueryInst) -> None:
    """Trackers take detections of one query for one object."""
    (found,) = TestTimeAugmentation(model, nms_threshold=1.0, max_detections=16).predict([picture(2)])
    (alone,) = model.predict([picture(2)])
    assert len(found) == 16
    assert len(found.query_ids.unique()) > len(alone.query_ids.unique())


def test_everything_of_the_model_is_kept(model: QueryInst) -> None:
    model.info.classes = ("a", "b", "c", "d")
    augmented = TestTimeAugmentation(model, shorts=[48, 64]).eval()
    before = model.preprocess
    (found,) = augmented.predict([picture(2)])
    assert model.preprocess is before
    assert (augmented.info, augmented.num_views, len(found)) == (model.info, 4, 8)
    assert found.embeds.shape == (8, 32)
    assert found.class_scores.shape == (8, 4)
    batch = model.preprocess([picture(2)])
    sizes = batch.tensor.new_tensor(batch.sizes)
    with torch.inference_mode():
        (one_view,) = augmented.postprocess(augmented(batch.tensor, sizes), batch)
    assert one_view.scores.equal(model.predict([picture(2)])[0].scores)


def test_preprocessing_is_given_back_after_an_error(model: QueryInst) -> None:
    before = model.preprocess
    model.train()
    with pytest.raises(RuntimeError, match="training mode"):
        TestTimeAugmentation(model, shorts=[48, 64]).predict([picture(0)])
    assert model.preprocess is before


class _Boxes(BlobModel):
    """Says nothing of masks, and nothing at all where there is nothing."""

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        found = super().predict(images, min_score=min_score)
        return [Instances(f.image_hw, f.boxes, f.scores, f.labels) if len(f) else Instances.empty(f.image_hw) for f in found]


def test_any_image_model_with_dense_masks_or_boxes_only() -> None:
    image = disc_image((30, 40, 12, RED), (90, 50, 14, GREEN), hw=(96, 128))
    (dense,) = TestTimeAugmentation(BlobModel().eval()).predict([image])
    (expected,) = BlobModel().eval().predict([image])
    assert isinstance(dense.masks, BitMasks)
    assert dense.masks.bitmaps().equal(expected.masks.bitmaps())
    (boxes,) = TestTimeAugmentation(_Boxes().eval()).predict([image])
    assert boxes.masks is None
    assert boxes.boxes.equal(expected.boxes)
    (nothing,) = TestTimeAugmentation(_Boxes().eval()).predict([np.zeros_like(image)])
    assert len(nothing) == 0


class _SeesLeftHalf(BlobModel):
    """Finds with masks what is in the left half, and gives an empty result without masks where that is nothing."""

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        found = super().predict([image * (np.arange(image.shape[1]) < image.shape[1] // 2)[:, None] for image in images])
        return [f if len(f) else Instances.empty(f.image_hw) for f in found]


def test_a_view_without_any_object_takes_no_masks_away() -> None:
    (found,) = TestTimeAugmentation(_SeesLeftHalf().eval()).predict([disc_image((100, 40, 12, RED))])
    assert found.masks.areas().tolist() == BlobModel().predict([disc_image((100, 40, 12, RED))])[0].masks.areas().tolist()
    assert found.boxes[0, 0] > 80


def test_tracking_through_views() -> None:
    model = TestTimeAugmentation(BlobModel().eval())
    frames = (
        Frame(disc_image((20 + 4 * i, 30, 10, RED), (108 - 4 * i, 66, 10, GREEN)), i, i, time_base)
        for i, time_base in enumerate([1 / 25] * 6)
    )
    ids = [
        set(tracked.track_ids.tolist()) for _, tracked in track_video(frames, model, build_tracker("iou", score_threshold=0.5))
    ]
    assert ids == [{1, 2}] * 6


@pytest.mark.parametrize(
    "masks", [RoiMasks(torch.rand(5, 7, 7), torch.tensor([[-3.0, 4, 20, 30]] * 4 + [[40, 0, 40, 9]]), (37, 53))]
)
def test_mirrored_masks(masks: RoiMasks) -> None:
    mirrored = masks.flipped()
    assert (mirrored.bitmaps().flip(-1) != masks.bitmaps()).sum() <= 5
    dense = BitMasks(masks.bitmaps())
    assert dense.flipped().bitmaps().equal(dense.bitmaps().flip(-1))
    torch.testing.assert_close(mirrored.flipped().roi_boxes, masks.roi_boxes)
    assert mirrored.flipped().probabilities.equal(masks.probabilities)
    assert len(masks[:0].flipped()) == 0
