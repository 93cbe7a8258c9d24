"""What every QueryInst promises, whatever its queries start from."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.models import DenseQueries, LearnedQueries, QueryInst, ResNet, ShuffleNetV2, TrackHead
from queryinst_vis.models.queryinst import QueryState
from queryinst_vis.structures import Targets

IMAGES = torch.zeros(1, 3, 64, 64)  # for queries that read the backbone's maps alone


def picture(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3), dtype=np.uint8)


def some_targets(*, masks: bool = True) -> Targets:
    boxes = torch.tensor([[4.0, 6, 30, 40], [20.0, 10, 60, 44]])
    bitmaps = torch.zeros(2, 48, 64, dtype=torch.bool)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes.int().tolist(), strict=True):
        bitmap[y1:y2, x1:x2] = True
    return Targets(boxes, torch.tensor([1, 3]), BitMasks(bitmaps) if masks else None)


def no_targets() -> Targets:
    return Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


def total(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum(loss for name, loss in losses.items() if "loss" in name)


def batch_of(model: QueryInst, *images: np.ndarray):
    return model.preprocess.collate([torch.from_numpy(image).permute(2, 0, 1) for image in images])


def test_a_batch_gives_what_its_images_give(model: QueryInst) -> None:
    images = [picture(0), picture(1), picture(2)]
    together = model.predict(images)
    for image, instances in zip(images, together, strict=True):
        (alone,) = model.predict([image])
        torch.testing.assert_close(instances.scores, alone.scores, atol=1e-5, rtol=0)
        torch.testing.assert_close(instances.boxes, alone.boxes, atol=1e-3, rtol=0)
        assert instances.labels.equal(alone.labels)
        assert (instances.masks.areas() - alone.masks.areas()).abs().max() <= 2


def test_mixed_sizes_give_what_each_gives_on_the_canvas(model: QueryInst) -> None:
    batch = batch_of(model, picture(0, 48, 64), picture(1, 70, 40))
    hw = torch.tensor(batch.sizes, dtype=torch.float32)
    with torch.inference_mode():
        together = model(batch.tensor, hw).state
        for i in range(2):
            alone = model(batch.tensor[i : i + 1], hw[i : i + 1]).state
            torch.testing.assert_close(together.logits[i], alone.logits[0], atol=1e-4, rtol=0)
            torch.testing.assert_close(together.boxes[i], alone.boxes[0], atol=1e-3, rtol=0)


def test_results_are_in_the_pixels_of_the_frame(model: QueryInst) -> None:
    (small,) = model.predict([picture(0)])
    assert small.image_hw == (48, 64)
    (large,) = model.predict([np.kron(picture(0), np.ones((4, 4, 1), dtype=np.uint8))])
    assert large.image_hw == (192, 256)
    assert large.masks.bitmaps().shape[1:] == (192, 256)


def test_scores_descend_and_a_minimum_cuts_them(model: QueryInst) -> None:
    (everything,) = model.predict([picture(0)])
    assert len(everything) == model.max_detections
    assert (everything.scores.diff() <= 0).all()
    threshold = everything.scores[3].item()
    (best,) = model.predict([picture(0)], min_score=threshold)
    assert best.scores.equal(everything.scores[:4])
    (nothing,) = model.predict([picture(0)], min_score=1.01)
    assert len(nothing) == 0
    assert nothing.masks.rles() == []
    assert nothing.embeds.shape == (0, 32)


def test_masks_are_computed_for_kept_queries_only(model: QueryInst, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    head = model.mask_heads[-1]
    compute = head.features
    monkeypatch.setattr(head, "features", lambda queries, rois: rows.append(len(queries)) or compute(queries, rois))
    for early in model.mask_heads[:-1]:
        monkeypatch.setattr(early, "features", lambda *_: pytest.fail("a mask head of an earlier stage ran"))
    (everything,) = model.predict([picture(0)])
    assert rows == [len(everything.query_ids.unique())]
    (best,) = model.predict([picture(0)], min_score=everything.scores[0].item())
    assert rows[1] == len(best) == 1


def test_each_detection_has_the_mask_of_its_class(learned_model: QueryInst) -> None:
    model = learned_model
    batch = batch_of(model, picture(0))
    with torch.inference_mode():
        outputs = model(batch.tensor, torch.tensor([[48.0, 64.0]]))
        (found,) = model.postprocess(outputs, batch)
        for row, (query, label) in enumerate(zip(found.query_ids.tolist(), found.labels.tolist(), strict=True)):
            lone = copy.copy(outputs.state)._replace(logits=torch.full_like(outputs.state.logits, -20.0))
            lone.logits[0, query, label] = 5.0
            (expected,) = model.postprocess(outputs._replace(state=lone), batch, min_score=0.5)
            torch.testing.assert_close(found.masks.probabilities[row], expected.masks.probabilities[0])


def test_nms_drops_the_weaker_of_two_boxes_of_a_class(model: QueryInst) -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]]])
    scores = torch.tensor([[[0.9, 0.1], [0.8, 0.7], [0.6, 0.0]]])
    model.nms_threshold = 0.6
    state = QueryState(scores.logit(), boxes, boxes, boxes)
    pairs = model.best_pairs(state, 0.05)
    chosen = zip(pairs.query[pairs.keep].tolist(), pairs.label[pairs.keep].tolist(), strict=True)
    assert list(chosen) == [(0, 0), (1, 1), (2, 0)]
    model.nms_threshold = None
    assert model.best_pairs(state, 0.05).keep.sum() == 5


def test_backward_reaches_every_trainable_parameter(model: QueryInst) -> None:
    model.train()
    total(model.loss(batch_of(model, picture(0)), [some_targets()])).backward()
    missed = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not missed
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad and p.grad is not None]
    assert not frozen


@pytest.mark.parametrize("targets", [no_targets, lambda: some_targets(masks=False)])
def test_nothing_to_learn_masks_from(model: QueryInst, targets) -> None:
    losses = model.train().loss(batch_of(model, picture(0)), [targets()])
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses["stage0.loss_mask"] == 0
    total(losses).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    assert total(losses) < 100  # the reference multiplies the class loss of an empty batch by millions


def test_predict_refuses_training_mode(model: QueryInst) -> None:
    with pytest.raises(RuntimeError, match=r"model.eval\(\)"):
        model.train().predict([picture(0)])


def test_batch_norm_of_the_backbone_never_trains(model: QueryInst) -> None:
    model.train()
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert any(m.training for m in model.mask_heads.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_dense_queries_are_the_best_cells_without_near_duplicates() -> None:
    torch.manual_seed(0)
    queries = DenseQueries(5, 16, num_classes=3, num_candidates=40, nms_threshold=0.5).eval()
    maps = [torch.randn(2, c, s, s) for c, s in zip((116, 232, 464), (8, 4, 2), strict=True)]
    with torch.inference_mode():
        cells = queries.detect(maps)
        chosen = queries.choose(cells)
        initial = queries(IMAGES, maps, torch.tensor([[64.0, 64.0]] * 2))
    assert cells.boxes.shape == (2, 84, 4)
    assert chosen.shape == (2, 5)
    for i in range(2):
        assert len(chosen[i].unique()) == 5
        assert chosen[i, 0] == cells.logits[i].amax(-1).argmax()
        assert initial.boxes[i].equal(cells.boxes[i, chosen[i]])
        assert initial.prior_logits[i].equal(cells.logits[i, chosen[i]])


def test_fewer_queries_while_training() -> None:
    queries = DenseQueries(6, 16, num_training_queries=4, num_classes=3)
    maps = [torch.randn(1, c, s, s) for c, s in zip((116, 232, 464), (8, 4, 2), strict=True)]
    hw = torch.tensor([[64.0, 64.0]])
    assert queries.train()(IMAGES, maps, hw).boxes.shape == (1, 4, 4)
    assert queries.eval()(IMAGES, maps, hw).boxes.shape == (1, 6, 4)


def test_a_picture_with_fewer_cells_than_queries() -> None:
    queries = DenseQueries(50, 16, num_classes=3)
    maps = [torch.randn(1, c, s, s) for c, s in zip((116, 232, 464), (4, 2, 1), strict=True)]
    assert queries(IMAGES, maps, torch.tensor([[32.0, 32.0]])).boxes.shape == (1, 21, 4)


def test_a_detector_with_its_own_backbone_ignores_the_models() -> None:
    torch.manual_seed(0)
    queries = DenseQueries(4, 16, num_classes=3, backbone=ShuffleNetV2(frozen=True)).eval()
    images, hw = torch.randn(1, 3, 64, 64), torch.tensor([[64.0, 64.0]])
    with torch.inference_mode():
        expected = queries(images, queries.backbone(images), hw)
        initial = queries(images, [torch.zeros_like(x) for x in queries.backbone(images)], hw)
    assert initial.boxes.equal(expected.boxes)
    assert initial.prior_logits.equal(expected.prior_logits)


def test_before_training_the_stages_repeat_the_detector(dense_model: QueryInst) -> None:
    model = dense_model
    batch = batch_of(model, picture(0))
    hw = torch.tensor([[48.0, 64.0]])
    with torch.inference_mode():
        initial = model.queries(batch.tensor, model.backbone(batch.tensor), hw)
        state = model(batch.tensor, hw).state
    torch.testing.assert_close(state.logits, initial.prior_logits)
    torch.testing.assert_close(state.boxes, initial.boxes, atol=1e-3, rtol=1e-4)


def test_nanodet_finds_the_objects_of_a_photograph(shared) -> None:
    """The detector's weights load, and its boxes lie on the people of a real picture."""
    import cv2

    from queryinst_vis.checkpoint import load_weights

    model = QueryInst(ShuffleNetV2(), DenseQueries(20, 96), num_classes=80, num_stages=1, embed_dim=96, class_agnostic_masks=True)
    load_weights(model, shared("data/backbones/nanodet_m_coco.safetensors"))
    image = cv2.imread(str(shared("data/coco_mini_val/000000565607.jpg")))[..., ::-1]
    model.preprocess = model.preprocess.resized(320)
    (found,) = model.eval().predict([image], min_score=0.3)
    assert len(found)
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"queries": LearnedQueries(4, 16)}, "queries.embed_dim=16: must be the model's embed_dim=96"),
        ({"track_head": TrackHead(16)}, "track_head.in_dim=16: must be the model's embed_dim=96"),
        ({"num_heads": 5}, "num_heads=5: must divide embed_dim=96"),
        ({"num_classes": 3}, "num_classes=3: must be that of the queries' detector, 80"),
        (
            {"backbone": ResNet(18)},
            r"queries.in_channels=\(116, 232, 464\): must be the last of the backbone's channels \(64, 128",
        ),
        ({"queries": DenseQueries(4, 96, backbone=ResNet(18))}, r"the backbone's channels \(64, 128"),
    ],
)
def test_parts_that_do_not_fit_failed_in_the_first_iteration(parts: dict[str, Any], said: str) -> None:
    fitting = {"backbone": ShuffleNetV2(), "queries": DenseQueries(4, 96), "num_classes": 80, "embed_dim": 96, "num_stages": 1}
    QueryInst(**fitting)
    with pytest.raises(ValueError, match=said):
        QueryInst(**fitting | parts)
