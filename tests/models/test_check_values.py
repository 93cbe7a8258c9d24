"""Single functions against values computed with the reference's classes (mmdetection 3.3.0), and against hand-made cases."""

import zlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from queryinst_vis.conversion import mmdet
from queryinst_vis.masks import RoiMasks
from queryinst_vis.models.criterion import crop_masks
from queryinst_vis.models.layers import DynamicConv
from queryinst_vis.models.losses import dice_loss, focal_loss, giou_loss, l1_loss, quality_focal_loss
from queryinst_vis.models.mask_heads import MaskHead
from queryinst_vis.models.matching import HungarianMatcher, focal_cost
from queryinst_vis.models.query_stage import QueryStage
from queryinst_vis.models.roi import assign_levels, pool_rois
from queryinst_vis.ops.boxes import box_giou, decode_deltas

LOGITS = torch.tensor([[1.0, -2.0, 0.5], [-1.0, 0.0, 2.0], [0.3, 0.3, -3.0], [-4.0, 3.0, 0.0]])
BOXES = torch.tensor([[10.0, 20, 50, 100], [0, 0, 30, 30], [60, 60, 120, 140], [15, 25, 45, 90]])
OBJECTS = torch.tensor([[12.0, 22, 48, 95], [50, 70, 110, 150]])
LABELS = torch.tensor([1, 2])
WHWH = torch.tensor([200.0, 160, 200, 160])


def normal(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def fill(module: nn.Module, reference_names: dict[str, str]) -> None:
    """Weights made from the reference's name of each parameter. reference_names: ours -> the reference's."""
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        reference = reference_names[name]
        z = 0.1 * np.random.RandomState(zlib.crc32(reference.encode())).standard_normal(tuple(tensor.shape))
        if reference.endswith("running_var"):
            z = 1 + np.abs(z)
        elif tensor.ndim == 1 and reference.endswith("weight"):
            z = 1 + z
        tensor.copy_(torch.from_numpy(z.astype(np.float32)))


STAGE_NAMES = [
    *(f"attention.attn.{n}" for n in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")),
    *(f"instance_interactive_conv.{layer}.{p}" for layer in ("dynamic_layer", "norm_in", "norm_out", "fc_layer", "fc_norm")
      for p in ("weight", "bias")),
    *(f"{norm}.{p}" for norm in ("attention_norm", "instance_interactive_conv_norm", "ffn_norm") for p in ("weight", "bias")),
    *(f"ffn.layers.{layer}.{p}" for layer in ("0.0", "1") for p in ("weight", "bias")),
    *(f"{layer}.{p}" for layer in ("fc_cls", "fc_reg", "cls_fcs.1", "reg_fcs.1", "reg_fcs.4", "reg_fcs.7")
      for p in ("weight", "bias")),
    *(f"{layer}.weight" for layer in ("cls_fcs.0", "reg_fcs.0", "reg_fcs.3", "reg_fcs.6")),
]  # fmt: skip
MASK_NAMES = [
    *(f"convs.{k}.{part}" for k in range(2)
      for part in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")),
    *(f"{layer}.{p}" for layer in ("upsample", "conv_logits") for p in ("weight", "bias")),
    *(f"instance_interactive_conv.{layer}.{p}" for layer in ("dynamic_layer", "norm_in", "norm_out") for p in ("weight", "bias")),
]  # fmt: skip


def our_names(names: list[str], reference_prefix: str, prefix: str) -> dict[str, str]:
    translated = mmdet.translate({reference_prefix + name: torch.zeros(0) for name in names})
    return {ours.removeprefix(prefix): name for ours, name in zip(translated, names, strict=True)}


@pytest.fixture(scope="module")
def small_stage() -> QueryStage:
    stage = QueryStage(3, embed_dim=16, num_heads=4, ffn_dim=32, dynamic_dim=8, roi_size=3)
    fill(stage, our_names(STAGE_NAMES, "roi_head.bbox_head.0.", "stages.0."))
    return stage.eval()


@pytest.mark.parametrize(
    ("sides", "level"),
    [((10, 10), 0), ((111.9, 111.9), 0), ((111.9999, 112), 1), ((112, 112), 1), ((200, 260), 2), ((224, 224), 2),
     ((448, 448), 3), ((1000, 900), 3), ((0, 50), 0)],
)  # fmt: skip
def test_level_of_a_box(sides: tuple[float, float], level: int) -> None:
    assert assign_levels(torch.tensor([[0.0, 0.0, *sides]]), 4).tolist() == [level]


@pytest.mark.parametrize(
    ("box", "delta", "expected"),
    [
        ((10, 20, 50, 100), (0.2, -0.4, 0.1, -0.3), (11.896580, 14.367271, 56.103420, 73.632729)),
        ((0, 0, 30, 30), (1, 1, 5, -6), (-907.500061, 29.760000, 967.500061, 30.240000)),
        ((-5, -5, 5, 15), (-2, 0.5, 0.7, 0.2), (-20.068764, -2.214027, 0.068764, 22.214027)),
    ],
)
def test_box_decoding(box, delta, expected) -> None:
    decoded = decode_deltas(torch.tensor(box, dtype=torch.float32), torch.tensor(delta, dtype=torch.float32))
    assert decoded.tolist() == pytest.approx(expected, abs=1e-4)


def test_matching_costs() -> None:
    focal = [[0.822334, -0.532331], [-0.173287, -2.474215], [-0.372689, 1.382976], [-4.149366, -0.173287]]
    l1 = [[0.318750, 5.625000], [3.468750, 9.187500], [5.593750, 1.125000], [0.400000, 5.781250]]
    giou = [[-1.642500, 0.769231], [0.430683, 1.309091], [0.834275, -1.084049], [-1.484018, 0.863158]]
    np.testing.assert_allclose(2 * focal_cost(LOGITS, LABELS), focal, atol=2e-6)
    np.testing.assert_allclose(-2 * box_giou(BOXES, OBJECTS), giou, atol=2e-6)
    cost = HungarianMatcher().cost(LOGITS, BOXES, LABELS, OBJECTS, WHWH)
    np.testing.assert_allclose(cost, np.array(focal) + l1 + giou, atol=1e-5)


def test_matching() -> None:
    match = HungarianMatcher()(LOGITS, BOXES, LABELS, OBJECTS, WHWH)
    assert match.queries.tolist() == [2, 3]
    assert match.objects.tolist() == [1, 0]


def test_matching_of_nothing_and_of_too_much() -> None:
    nothing = HungarianMatcher()(LOGITS, BOXES, LABELS[:0], OBJECTS[:0], WHWH)
    assert len(nothing.queries) == len(nothing.objects) == 0
    crowded = HungarianMatcher()(LOGITS[:1], BOXES[:1], LABELS, OBJECTS, WHWH)
    assert crowded.objects.tolist() == [0]


def test_matching_refuses_what_is_not_finite() -> None:
    with pytest.raises(FloatingPointError, match="diverged"):
        HungarianMatcher()(LOGITS * float("nan"), BOXES, LABELS, OBJECTS, WHWH)


def test_losses_of_matched_queries() -> None:
    onehot = torch.zeros(4, 3)
    onehot[0, 1] = onehot[3, 2] = 1
    assert 2 * focal_loss(LOGITS, onehot) / 2 == pytest.approx(5.147501, abs=1e-5)
    rows, objects = BOXES[[3, 2]], OBJECTS[[0, 1]]
    assert 2 * giou_loss(rows, objects) / 2 == pytest.approx(0.715966, abs=1e-5)
    assert 5 * l1_loss(rows, objects, WHWH.expand(2, 4)) / 2 == pytest.approx(0.762500, abs=1e-5)


def test_dice_loss() -> None:
    logits, targets = normal(3, 2, 4, 4), (normal(4, 2, 4, 4) > 0).float()
    assert 8 * dice_loss(logits, targets) / 2 == pytest.approx(2.596923, abs=1e-5)


def test_quality_focal_loss_is_least_at_its_target() -> None:
    quality = torch.tensor([0.0, 0.3, 1.0])
    best = quality_focal_loss(torch.logit(quality, eps=1e-6), quality)
    for shift in (-1.0, 1.0):
        assert quality_focal_loss(torch.logit(quality, eps=1e-6) + shift, quality) > best
    assert quality_focal_loss(torch.tensor([0.0]), torch.tensor([1.0])) == pytest.approx(0.25 * np.log(2), abs=1e-6)


def test_query_stage(small_stage: QueryStage) -> None:
    with torch.inference_mode():
        out = small_stage(normal(1, 2, 5, 16), normal(2, 10, 16, 3, 3))
    assert out.logits[0, 0].tolist() == pytest.approx([-0.525113, 0.254879, -0.310320], abs=1e-5)
    assert out.deltas[1, 4].tolist() == pytest.approx([0.410582, 0.028286, 0.064852, 0.049564], abs=1e-5)
    assert out.queries[0, 0, :4].tolist() == pytest.approx([2.274646, 0.744825, -0.563022, -0.788394], abs=1e-5)
    assert out.queries.abs().sum() == pytest.approx(131.613983, abs=1e-3)
    assert out.mask_queries[1, 2, :4].tolist() == pytest.approx([0.603886, -0.917842, 0.086362, -1.216598], abs=1e-5)


def test_mask_head(small_stage: QueryStage) -> None:
    head = MaskHead(3, embed_dim=16, dynamic_dim=8, num_convs=2, roi_size=4)
    fill(head, our_names(MASK_NAMES, "roi_head.mask_head.0.", "mask_heads.0."))
    head.eval()
    with torch.inference_mode():
        queries = small_stage(normal(1, 2, 5, 16), normal(2, 10, 16, 3, 3)).mask_queries.flatten(0, 1)
        masks = torch.stack([head(queries, normal(5, 10, 16, 4, 4), torch.full((10,), c)) for c in range(3)], dim=1)
    assert masks.shape == (10, 3, 8, 8)
    assert masks[0, 1, 0, :4].tolist() == pytest.approx([0.030119, 0.038453, 0.042238, 0.025819], abs=1e-5)
    assert masks[9, 2, 7, -4:].tolist() == pytest.approx([-0.031416, -0.009566, -0.026406, 0.008963], abs=1e-5)
    assert masks.abs().sum() == pytest.approx(59.811321, abs=1e-3)


def test_dynamic_conv_weights_are_row_major() -> None:
    conv = DynamicConv(4, 3)
    queries, features = normal(1, 3, 4), normal(2, 3, 4, 2, 2)
    expected = []
    for query, feature in zip(queries, features, strict=True):
        weights = conv.generator(query)
        hidden = conv.norm_in(feature.flatten(1).T @ weights[:12].view(4, 3)).relu()
        expected.append(conv.norm_out(hidden @ weights[12:].view(3, 4)).relu().T.view(4, 2, 2))
    torch.testing.assert_close(conv(queries, features), torch.stack(expected), atol=1e-4, rtol=1e-4)


def test_roi_align() -> None:
    expected = [[-0.156842, -0.439644, -0.313075], [0.393363, -0.041840, -0.071293], [-0.100388, 0.392199, -0.632863]]
    pooled = pool_rois([normal(7, 1, 1, 10, 12)], [8], torch.tensor([[3.3, 4.4, 61.7, 50.2]]), torch.tensor([0]), 3)
    np.testing.assert_allclose(pooled[0, 0], expected, atol=1e-5)


def test_pooling_of_no_box_keeps_the_gradient_path() -> None:
    pyramid = [torch.rand(1, 2, 4, 4, requires_grad=True), torch.rand(1, 2, 2, 2, requires_grad=True)]
    pooled = pool_rois(pyramid, [4, 8], torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 7)
    assert pooled.shape == (0, 2, 7, 7)
    pooled.sum().backward()
    assert all(level.grad is not None and not level.grad.any() for level in pyramid)


def test_mask_targets() -> None:
    y, x = np.mgrid[0:40, 0:60]
    masks = np.stack([(y >= 10) & (y < 30) & (x >= 15) & (x < 45), (x - 30) ** 2 + (y - 20) ** 2 < 200])
    boxes = torch.tensor([[12.3, 8.7, 47.1, 31.9], [-5.0, 3, 70, 38.5]])
    targets = crop_masks(torch.from_numpy(masks)[:, None].float(), torch.tensor([0, 1]), boxes, 28)
    assert targets.sum((1, 2)).tolist() == [576, 230]
    assert targets[0, 2].nonzero().flatten().tolist() == list(range(2, 26))
    assert targets[1, 14].nonzero().flatten().tolist() == list(range(8, 21))


def test_pasting() -> None:
    masks = RoiMasks(normal(6, 1, 28, 28).sigmoid(), torch.tensor([[5.3, 7.8, 45.2, 33.1]]), (40, 60))
    (window,) = masks.windows()
    assert (window.top, window.left, *window.bitmap.shape) == (8, 5, 25, 40)
    (bitmap,) = masks.bitmaps()
    assert bitmap.sum() == 490
    assert bitmap[20].nonzero().flatten().tolist() == [7, 8, 9, 10, 15, 16, 18, 19, 20, 23, 24, 25, 31, 35, 36, 37, 39, 40]
