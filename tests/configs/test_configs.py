"""Every shipped config: it loads, builds at full size, has as many parameters as it should, and its model keeps its promises."""

import json
from pathlib import Path

import pytest
import torch
from config_models import (
    expected_parameters,
    model_settings,
    narrow,
    narrow_model,
    no_objects,
    pictures,
    total_loss,
    two_objects,
)

from queryinst_vis.checkpoint import load_model, save_weights
from queryinst_vis.config import build, load_config, shipped_configs, to_json
from queryinst_vis.models import ModelInfo, QueryInst
from queryinst_vis.runner import build_recipe
from queryinst_vis.structures import Instances

NAMES = sorted(shipped_configs())

PARAMETERS = json.loads((Path(__file__).parents[1] / "golden" / "parameters.json").read_text())
LARGE = ("x101_64x4d",)  # as deep as x101_32x4d, and twice the time


def distinct_models() -> dict[str, dict]:
    """Settings of models that differ, by the name of the first config that has them."""
    found = {}
    for name in NAMES:
        settings = model_settings(name)
        found.setdefault(json.dumps(to_json(narrow(settings)), sort_keys=True), (name, settings))
    return dict(found.values())


DISTINCT = distinct_models()


def sometimes_slow(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.slow if any(part in name for part in LARGE) else ())


@pytest.fixture(params=map(sometimes_slow, sorted(DISTINCT)))
def settings(request: pytest.FixtureRequest) -> dict:
    """Of a model."""
    return DISTINCT[request.param]


@pytest.mark.parametrize("name", NAMES)
def test_every_config_says_what_it_is_and_fits_the_recipe(name: str):
    path = shipped_configs()[name]
    assert path.read_text(encoding="utf-8").startswith('"""')
    recipe = build_recipe(load_config(name))
    recipe.require("train_dataset", "optimizer", "schedule")
    schedule = build(recipe.schedule)
    assert max(getattr(schedule, "milestones", [0])) < (recipe.iterations or recipe.epochs)


@pytest.mark.parametrize("name", NAMES)
def test_number_of_parameters(name: str):
    settings = model_settings(name)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in build(settings).parameters())
    assert count == PARAMETERS[name] == expected_parameters(settings)


def test_numbers_of_parameters_of_the_reference():
    """Counted on mmdetection 3.3.0's models."""
    assert PARAMETERS["queryinst_r50_36e_coco"] == 172_688_808
    assert PARAMETERS["queryinst_r101_300q_crop_36e_coco"] == 191_732_936


def test_forward_and_backward_reach_every_trainable_parameter(settings: dict):
    model = narrow_model(settings).train()
    total_loss(model, [two_objects(), two_objects()]).backward()
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trainable
    assert not [name for name, parameter in trainable.items() if parameter.grad is None]
    assert all(torch.isfinite(parameter.grad).all() for parameter in trainable.values())
    assert not [
        name for name, parameter in model.named_parameters() if not parameter.requires_grad and parameter.grad is not None
    ]


def test_pictures_without_objects_train(settings: dict):
    model = narrow_model(settings).train()
    loss = total_loss(model, [no_objects(), no_objects()])
    loss.backward()
    assert torch.isfinite(loss)
    assert not [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]


@torch.inference_mode()
def detect(model: QueryInst, rows: slice = slice(None)) -> list[Instances]:
    batch = pictures(model).of(rows)
    images = batch.tensor.to(next(model.parameters()).dtype)
    return model.postprocess(model(images, images.new_tensor(batch.sizes)), batch)


def assert_same(found: Instances, expected: Instances) -> None:
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.boxes, expected.boxes, atol=1e-2, rtol=1e-4)
    assert (found.masks.bitmaps() != expected.masks.bitmaps()).float().mean() < 1e-3


def test_a_batch_gives_what_its_pictures_give(settings: dict):
    model = narrow_model(settings).eval().double()  # random weights make much of the last digits
    for index, expected in enumerate(detect(model)):
        (single,) = detect(model, slice(index, index + 1))
        assert_same(single, expected)


def test_weights_describe_the_model(settings: dict, tmp_path: Path):
    model = narrow_model(settings).eval()
    model.info = ModelInfo(classes=tuple(map(str, range(model.num_classes))))
    model.architecture = to_json(narrow(settings))
    save_weights(model, tmp_path / "weights.safetensors")
    loaded = load_model(tmp_path / "weights.safetensors", device="cpu")
    for found, expected in zip(detect(loaded), detect(model), strict=True):
        assert torch.equal(found.scores, expected.scores)
        assert torch.equal(found.boxes, expected.boxes)
        assert torch.equal(found.embeds, expected.embeds)
