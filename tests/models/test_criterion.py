"""What counts as background: not crowd regions, not classes that nobody annotated; and objects without masks."""

import pytest
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.models.criterion import QueryCriterion, class_weights, without_crowd
from queryinst_vis.models.matching import Match
from queryinst_vis.structures import Targets

IMAGE_HW = torch.tensor([[100.0, 100.0]])


def targets(boxes, labels, **others) -> Targets:
    return Targets(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64), **others)


def losses(criterion: QueryCriterion, logits, boxes, t: Targets):
    objects = without_crowd([t])
    matches = criterion.match(logits, boxes, objects, IMAGE_HW)
    return criterion.class_and_box_losses(logits, boxes, matches, objects, [t], IMAGE_HW)


def test_crowd_regions_are_matched_with_nobody() -> None:
    t = targets([[0, 0, 40, 40], [50, 50, 90, 90]], [0, 0], is_crowd=torch.tensor([False, True]))
    boxes = torch.tensor([[[50.0, 50, 90, 90], [0, 0, 40, 40]]])
    (objects,) = without_crowd([t])
    (match,) = QueryCriterion().match(torch.zeros(1, 2, 3), boxes, [objects], IMAGE_HW)
    assert match.queries.tolist() == [1]
    assert objects.boxes.tolist() == [[0, 0, 40, 40]]


def test_queries_on_a_crowd_region_are_no_background_of_its_class() -> None:
    t = targets([[0, 0, 40, 40]], [1], is_crowd=torch.tensor([True]))
    boxes = torch.tensor([[[5.0, 5, 35, 35], [30, 30, 60, 60], [0, 0, 39, 39]]])
    onehot = torch.zeros(1, 3, 2)
    onehot[0, 2, 1] = 1  # matched with another object: its loss counts
    weights = class_weights(boxes, onehot, [t])
    assert weights.tolist() == [[[1, 0], [1, 1], [1, 1]]]


def test_classes_not_annotated_give_no_loss() -> None:
    logits = torch.randn(1, 4, 3, requires_grad=True)
    boxes = torch.tensor([[[0.0, 0, 40, 40], [50, 50, 90, 90], [0, 50, 40, 90], [50, 0, 90, 40]]])
    t = targets([[0, 0, 40, 40]], [0], annotated_classes=torch.tensor([True, False, False]))
    losses(QueryCriterion(), logits, boxes, t)["loss_cls"].backward()
    assert logits.grad[..., 0].abs().min() > 0
    assert not logits.grad[..., 1:].any()


def test_everything_annotated_needs_no_weights() -> None:
    assert class_weights(torch.zeros(1, 2, 4), torch.zeros(1, 2, 3), [targets([[0, 0, 9, 9]], [1])]) is None


@pytest.mark.parametrize("soft_labels", [False, True])
def test_a_perfect_query_costs_next_to_nothing(soft_labels: bool) -> None:
    logits = torch.tensor([[[15.0, -15, -15], [-15, -15, -15]]])
    boxes = torch.tensor([[[0.0, 0, 40, 40], [50, 50, 90, 90]]])
    result = losses(QueryCriterion(soft_labels=soft_labels), logits, boxes, targets([[0, 0, 40, 40]], [0]))
    assert sum(result[name] for name in ("loss_cls", "loss_bbox", "loss_iou")) < 1e-4
    assert result["accuracy"] == 100


def test_soft_labels_ask_for_the_overlap() -> None:
    boxes = torch.tensor([[[0.0, 0, 40, 20]]])  # half of the object
    t = targets([[0, 0, 40, 40]], [0])
    criterion = QueryCriterion(soft_labels=True)
    at = {p: losses(criterion, torch.logit(torch.tensor([[[p]]])), boxes, t)["loss_cls"].item() for p in (0.3, 0.5, 0.8)}
    assert at[0.5] == pytest.approx(0, abs=1e-6)
    assert min(at[0.3], at[0.8]) > 0.01


def test_normaliser_counts_objects_and_is_at_least_one() -> None:
    criterion = QueryCriterion()
    logits, boxes = torch.zeros(1, 4, 2), torch.rand(1, 4, 2).repeat(1, 1, 2) * 40 + torch.tensor([0.0, 0, 50, 50])
    empty = losses(criterion, logits, boxes, targets([], []))
    assert empty["loss_cls"] == pytest.approx(2.0 * 4 * 2 * 0.75 * 0.25 * torch.log(torch.tensor(2.0)).item(), rel=1e-5)
    assert empty["loss_bbox"] == empty["loss_iou"] == 0


def test_rows_of_targets_keep_their_masks_together() -> None:
    masks = BitMasks(torch.rand(3, 8, 8) > 0.5)
    t = targets([[0, 0, 4, 4]] * 3, [0, 1, 2], masks=masks, has_mask=torch.tensor([True, False, True]))
    picked = t[torch.tensor([2, 0])]
    assert picked.labels.tolist() == [2, 0]
    assert picked.masks.bitmaps().equal(masks.bitmaps()[[2, 0]])
    assert picked.has_mask.tolist() == [True, True]


def test_matches_of_several_images_stay_apart() -> None:
    criterion = QueryCriterion()
    boxes = torch.tensor([[[0.0, 0, 40, 40], [50, 50, 90, 90]]]).repeat(2, 1, 1)
    both = [targets([[50, 50, 90, 90]], [1]), targets([[0, 0, 40, 40], [50, 50, 90, 90]], [0, 2])]
    logits = torch.full((2, 2, 3), -8.0)
    for image, query, label in ((0, 1, 1), (1, 0, 0), (1, 1, 2)):
        logits[image, query, label] = 8.0
    hw = IMAGE_HW.repeat(2, 1)
    matches = criterion.match(logits, boxes, both, hw)
    assert isinstance(matches[0], Match)
    assert [m.queries.tolist() for m in matches] == [[1], [0, 1]]
    result = criterion.class_and_box_losses(logits, boxes, matches, both, both, hw)
    assert result["accuracy"] == 100
    assert result["loss_bbox"] == 0
