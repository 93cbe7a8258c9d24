"""Class logits of new classes from a detector's."""

import pytest
import torch

from queryinst_vis.config import ConfigError, build
from queryinst_vis.models import DenseQueries, ShuffleNetV2
from queryinst_vis.models.class_map import ClassMap

KNOWN = ("person", "cat", "dog", "cup")


def test_a_class_of_the_same_name_starts_as_the_detectors() -> None:
    logits = torch.randn(5, 4)
    out = ClassMap(KNOWN, ("dog", "robot", "person"))(logits)
    assert torch.equal(out[:, [0, 2]], logits[:, [2, 0]])
    torch.testing.assert_close(out[:, 1], logits.amax(1) - 2)  # whatever stands out


def examples(num: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of a detector, and which are a pet: cats and dogs."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (num,), generator=generator)  # 4: background
    logits = torch.randn(num, 4, generator=generator) - 5
    logits[torch.arange(num)[labels < 4], labels[labels < 4]] += 5
    pet, mug = (labels == 1) | (labels == 2), labels == 3
    return logits, 0.8 * torch.stack([pet, mug], dim=1).float()


def test_a_fit_finds_what_the_detector_takes_them_for() -> None:
    logits, quality = examples()
    class_map = ClassMap(KNOWN, ("pet", "mug"))
    class_map.fit(logits, quality, torch.ones_like(quality))
    assert {KNOWN[index] for index in class_map.likest(0)} == {"cat", "dog"}
    assert KNOWN[class_map.likest(1)[0]] == "cup"
    scores = class_map(logits).sigmoid()
    for column in range(2):
        is_object = quality[:, column] > 0
        assert (scores[is_object, column] > 0.3).float().mean() > 0.85
        assert (scores[~is_object, column] < 0.3).float().mean() > 0.9


def test_the_same_data_give_the_same_map() -> None:
    maps = [ClassMap(KNOWN, ("pet", "mug")) for _ in range(2)]
    for class_map in maps:
        class_map.fit(*(logits_quality := examples()), torch.ones_like(logits_quality[1]))
    assert torch.equal(maps[0].weight, maps[1].weight)
    assert maps[0].weight.requires_grad
    assert maps[0].weight.grad is None


def test_what_does_not_count_changes_nothing() -> None:
    logits, quality = examples()
    weights = torch.ones_like(quality)
    weights[:200] = 0.0
    wrong = torch.where(weights > 0, quality, 1 - quality)
    maps = [ClassMap(KNOWN, ("pet", "mug")) for _ in range(2)]
    for class_map, labels in zip(maps, (quality, wrong), strict=True):
        class_map.fit(logits, labels, weights)
    assert not torch.equal(quality, wrong)
    assert torch.equal(maps[0].weight, maps[1].weight)


@pytest.mark.parametrize("num", [0, 5])
def test_a_class_without_examples_stays_finite(num: int) -> None:
    logits = torch.randn(num, 4)
    class_map = ClassMap(KNOWN, ("pet", "dog"))
    class_map.fit(logits, torch.zeros(num, 2), torch.ones(num, 2))
    assert class_map.weight.isfinite().all()
    assert class_map.bias.isfinite().all()


def test_learned_maps_are_not_at_their_start() -> None:
    class_map = ClassMap(KNOWN, ("pet", "dog"))
    assert class_map.is_at_start
    class_map.fit(*(examples()), torch.ones(400, 2))
    assert not class_map.is_at_start


def queries(**options) -> DenseQueries:
    torch.manual_seed(0)
    return DenseQueries(8, 32, num_classes=4, num_candidates=30, backbone=ShuffleNetV2(frozen=True), **options).eval()


def test_queries_without_other_classes_are_as_before() -> None:
    """The default model's file has no such parameters."""
    assert not [name for name, _ in queries().named_parameters() if "class_map" in name]


def test_the_detector_keeps_its_classes_and_still_proposes() -> None:
    """With classes it knows, nothing changes but which of its logits are the priors."""
    plain, mapped = queries(), queries(classes=("dog", "cat"), detector_classes=KNOWN)
    mapped.load_state_dict(plain.state_dict(), strict=False)
    images, hw = torch.randn(2, 3, 64, 96), torch.tensor([[64.0, 96.0]] * 2)
    with torch.no_grad():
        before, after = plain(images, (), hw), mapped(images, (), hw)
    assert torch.equal(before.boxes, after.boxes)
    assert torch.equal(before.embeds, after.embeds)
    assert torch.equal(before.prior_logits[..., [2, 1]], after.prior_logits)


def test_cells_of_a_new_class_become_queries() -> None:
    """The weakest cells of the detector go first when a class is made of what it finds least likely."""
    mapped = queries(classes=("ghost",), detector_classes=KNOWN)
    images = torch.randn(1, 3, 64, 96)
    features = mapped.backbone(images)
    cells = mapped.detect(features[-3:])
    with torch.no_grad():
        mapped.class_map.weight.copy_(torch.tensor([[0.0, 0, 0, 0, -1]]))
        mapped.class_map.bias.fill_(20.0)
    weakest = cells.logits[0].amax(-1).argmin()
    assert int(mapped.choose(cells)[0, 0]) == int(weakest)


def test_names_of_the_detectors_classes_are_needed() -> None:
    settings = {"type": "DenseQueries", "num_queries": 8, "embed_dim": 32, "classes": ["a"], "detector_classes": ["b"]}
    with pytest.raises(ConfigError, match="detector_classes must name the detector's 80 classes, got 1"):
        build(settings)
