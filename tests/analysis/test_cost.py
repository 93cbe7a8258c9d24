"""Cost of whole models: parameters of the reference, multiply-adds by hand, memory by rules that must hold."""

from pathlib import Path

import pytest
import torch
from blobs import BlobModel

from queryinst_vis.analysis import ModelCost, analyze_model
from queryinst_vis.analysis.counting import CostMode
from queryinst_vis.config import build, load_config
from queryinst_vis.models import QueryInst, ResNet

CONFIGS = sorted(p for p in (Path(__file__).resolve().parents[2] / "configs").rglob("*.py") if p.parent.name != "base")
STAGE_OF_100 = 100 * (
    256 * 768 + 2 * 100 * 256 + 256 * 256  # attention
    + 256 * 32768 + 2 * 49 * 256 * 64 + 12544 * 256  # dynamic convolution
    + 2 * 256 * 2048  # feed-forward
    + 256 * 256 + 256 * 80  # classes
    + 3 * 256 * 256 + 256 * 4  # boxes
    + 256 * 49 * 16  # RoI features
)  # fmt: skip
MASKS_OF_100 = 100 * (
    256 * 32768 + 2 * 196 * 256 * 64  # dynamic convolution
    + 4 * 196 * 256 * 256 * 9
    + 196 * 256 * 256 * 4  # transposed convolution
    + 784 * 256  # masks of one class
    + 256 * 196 * 16  # RoI features
)  # fmt: skip


@pytest.fixture(params=["toy", "nano"])
def model(request: pytest.FixtureRequest, repo_root: Path) -> QueryInst:
    """Small, with weights: each kind of queries."""
    toy = repo_root / "tests" / "training" / "queryinst_toy.py"
    name, settings = (toy, []) if request.param == "toy" else ("queryinst_nano_coco_mini", ["model.num_stages=2"])
    return build(load_config(name, settings).model).eval()


def cost_of(config: str | Path, image_hw: tuple[int, int] | None = None, **options) -> ModelCost:
    with torch.device("meta"):
        model = build(load_config(config).model)
    return analyze_model(model, image_hw or (model.preprocess.short, model.preprocess.long), **options)


def sums(cost: ModelCost, field: str) -> dict[str, int]:
    """By part, those of a list together."""
    total: dict[str, int] = {}
    for part in cost.parts:
        name = part.name.partition(".")[0]
        total[name] = total.get(name, 0) + getattr(part, field)
    return total


def test_parameters_of_the_reference() -> None:
    cost = cost_of("queryinst_r50_36e_coco", (64, 64))
    assert sums(cost, "num_parameters") == {
        "backbone": 23_508_032,
        "fpn": 3_344_384,
        "queries": 26_000,
        "stages": 79_412_472,
        "mask_heads": 66_397_920,
    }
    assert cost.num_parameters == 172_688_808
    assert cost.num_parameters - cost.num_trainable == 9_408 + 128 + 215_808  # conv1, bn1, layer1
    assert cost_of("queryinst_r101_300q_crop_36e_coco", (64, 64)).num_parameters == 191_732_936


def test_resnet_50_has_the_well_known_number_of_multiply_adds() -> None:
    """4.09 G at 224 x 224, of which the classifier, which a backbone has not, makes 2.048 M."""
    with torch.device("meta"):
        backbone = ResNet(50)
        image = torch.empty(1, 3, 224, 224)
    mode = CostMode(backbone, existing=[])
    with torch.no_grad(), mode:
        backbone(image)
    assert mode.multiply_adds.total() + 2048 * 1000 == 4_089_184_256


@pytest.mark.parametrize(("image_hw", "maps"), [((800, 1333), [(200, 336), (100, 168), (50, 84), (25, 42)]), ((64, 64), None)])
def test_queryinst_by_hand(image_hw: tuple[int, int], maps: list[tuple[int, int]] | None) -> None:
    cost = cost_of("queryinst_r50_36e_coco", image_hw)
    maps = maps or [(16, 16), (8, 8), (4, 4), (2, 2)]
    fpn = sum(h * w * (c * 256 + 9 * 256 * 256) for (h, w), c in zip(maps, (256, 512, 1024, 2048), strict=True))
    counts = {part.name: part.multiply_adds for part in cost.parts}
    assert counts["fpn"] == fpn
    assert [counts[f"stages.{stage}"] for stage in range(6)] == [STAGE_OF_100] * 6
    assert [counts[f"mask_heads.{stage}"] for stage in range(6)] == [0] * 5 + [MASKS_OF_100]
    assert counts["queries"] == 0
    assert cost.multiply_adds == counts["backbone"] + fpn + 6 * STAGE_OF_100 + MASKS_OF_100
    assert cost.input_hw == (4 * maps[0][0], 4 * maps[0][1])


def test_meta_and_real_tensors_give_the_same_counts(model: QueryInst) -> None:
    cost = analyze_model(model, (96, 120))
    batch = torch.rand(1, 3, 96, 128)
    mode = CostMode(model, existing=[*model.parameters(), *model.buffers(), batch])
    with torch.no_grad(), mode:
        model(batch, torch.tensor([[96.0, 120.0]]))
    for part in cost.parts:
        if not part.name.startswith("mask_heads"):
            assert mode.multiply_adds[part.name] == part.multiply_adds


def test_a_batch_costs_as_many_times_as_much(model: QueryInst) -> None:
    one, three = (analyze_model(model, (64, 96), batch_size=size) for size in (1, 3))
    assert three.multiply_adds == 3 * one.multiply_adds
    assert 2.9 * one.peak_bytes < three.peak_bytes < 3.1 * one.peak_bytes
    assert 2.5 * one.saved_bytes < three.saved_bytes < 3.5 * one.saved_bytes


def test_more_objects_need_more_memory_in_mask_heads_only(model: QueryInst) -> None:
    few, many = (analyze_model(model, (64, 96), num_objects=count) for count in (2, 8))
    assert few.multiply_adds == many.multiply_adds
    assert few.peak_bytes == many.peak_bytes
    for a, b in zip(few.parts, many.parts, strict=True):
        assert (b.saved_bytes > 2 * a.saved_bytes) == a.name.startswith("mask_heads")


def test_what_is_frozen_keeps_nothing() -> None:
    """Of a track head that learns alone, the rest needs no gradient."""
    cost = cost_of("queryinst_vis_nano_coco_mini")
    kept = {part.name: part.saved_bytes for part in cost.parts}
    assert kept["track_head"] > 0
    assert sum(kept[name] for name in kept if name.startswith(("mask_heads", "backbone", "fpn"))) == 0
    assert cost.num_training_images == 2


def test_the_model_stays_as_it_is(model: QueryInst) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    criterion = model.criterion
    analyze_model(model, (64, 96))
    assert not model.training
    assert model.criterion is criterion
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.backends.mha.get_fastpath_enabled()
    for name, tensor in model.state_dict().items():
        assert tensor.equal(before[name])


def test_a_model_whose_training_is_not_known() -> None:
    class Plain(BlobModel):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 1)

        def forward(self, images, image_hw):
            return self.layer(images)

        def postprocess(self, outputs, batch, *, min_score=0.0):
            return []

    cost = analyze_model(Plain(), (32, 32))
    assert cost.saved_bytes is None
    assert cost.multiply_adds == 32 * 32 * 12


@pytest.mark.parametrize(
    "name",
    ["queryinst_swin_t_crop_36e_coco", "queryinst_x101_64x4d_dcn_300q_crop_36e_coco", "queryinst_vis_r50_roi_12e_ytvis2019"],
)
def test_other_kinds_of_models(name: str) -> None:
    check(cost_of(name))


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config(path: Path) -> None:
    check(cost_of(path))


def check(cost: ModelCost) -> None:
    by_part = sums(cost, "multiply_adds")
    assert all(by_part[name] > 0 for name in by_part if name != "queries")
    assert cost.num_parameters >= cost.num_trainable > 0
    assert cost.saved_bytes > 0
    assert cost.peak_bytes > 4 * 3 * cost.input_hw[0] * cost.input_hw[1] / 4
