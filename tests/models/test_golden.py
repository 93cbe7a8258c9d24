"""QueryInst against the numbers of mmdetection 3.3.0's on inputs made by golden/recipe.py (the files' README says how)."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import recipe

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.conversion import mmdet
from queryinst_vis.masks import BitMasks
from queryinst_vis.models import LearnedQueries, QueryInst, ResNet
from queryinst_vis.models.queryinst import QueryInstOutputs
from queryinst_vis.models.roi import pool_rois
from queryinst_vis.structures import ImageBatch, Targets

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass
class Reference:
    """A model with the reference's weights, its input, and what the reference says of it."""

    model: QueryInst
    batch: ImageBatch
    targets: list[Targets]
    facts: dict
    arrays: dict[str, np.ndarray]

    @property
    def image_hw(self) -> torch.Tensor:
        return torch.tensor(self.batch.sizes, dtype=torch.float32)


def reference_weights(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(recipe.weights(name, tuple(shape)))) for name, shape in shapes.items()}


def load_reference(name: str, model: QueryInst, images: list[np.ndarray]) -> Reference:
    facts = json.loads((GOLDEN / f"{name}.json").read_text())
    arrays = dict(np.load(GOLDEN / f"{name}.npz"))
    assert load_weights(model, reference_weights(facts["state_dict"])).is_complete
    canvas = torch.zeros(facts["input"]["shape"])
    for row, image in zip(canvas, images, strict=True):
        row[:, : image.shape[1], : image.shape[2]] = torch.from_numpy(image)
    sizes, originals = ([tuple(hw) for hw in facts[key]] for key in ("image_hw", "original_hw"))
    targets = [_targets(arrays, i) for i in range(len(images))]
    return Reference(model.eval(), ImageBatch(canvas, sizes, originals), targets, facts, arrays)


def _targets(arrays: dict[str, np.ndarray], i: int) -> Targets:
    width = arrays[f"gt{i}_masks_shape"][-1]
    masks = np.unpackbits(arrays[f"gt{i}_masks_packed"], axis=-1)[..., :width].astype(bool)
    boxes, labels = torch.from_numpy(arrays[f"gt{i}_boxes"]), torch.from_numpy(arrays[f"gt{i}_labels"])
    return Targets(boxes, labels, BitMasks(torch.from_numpy(masks)))


@pytest.fixture(scope="module")
def small() -> Reference:
    sizes = {"num_classes": 5, "num_stages": 3, "embed_dim": 64, "num_heads": 4, "ffn_dim": 128, "dynamic_dim": 16}
    model = QueryInst(ResNet(18), LearnedQueries(12, 64), **sizes, max_detections=12)
    return load_reference("queryinst_small", model, [recipe.image(11, 128, 192), recipe.image(12, 160, 144)])


@pytest.fixture(scope="module")
def full() -> Reference:
    model = QueryInst(ResNet(50), LearnedQueries(100, 256), num_classes=80)
    return load_reference("queryinst_r50_100q", model, [recipe.image(21, 320, 448)])


def check_forward(reference: Reference) -> None:
    with torch.inference_mode():
        pyramid, initial = reference.model._start(reference.batch.tensor, reference.image_hw)
        states = list(reference.model._run_stages(pyramid, initial))
    for level, features in enumerate(pyramid):
        assert features.abs().mean().item() == pytest.approx(reference.arrays[f"fpn_{level}_abs_mean"].item(), abs=1e-5)
    for stage, state in enumerate(states):
        logits = reference.arrays[f"logits_{stage}"]
        np.testing.assert_allclose(state.logits[..., : logits.shape[-1]], logits, rtol=0, atol=1e-4)
        np.testing.assert_allclose(state.boxes, reference.arrays[f"boxes_{stage}"], rtol=0, atol=1e-3)
    queries = reference.arrays["queries_last"]
    np.testing.assert_allclose(states[-1].embeds[:, : queries.shape[1]], queries, rtol=0, atol=1e-4)


def check_detections(reference: Reference) -> None:
    with torch.inference_mode():
        outputs = reference.model(reference.batch.tensor, reference.image_hw)
        found = reference.model.postprocess(outputs, reference.batch)
    for i, instances in enumerate(found):
        expected = {key: reference.arrays[f"det{i}_{key}"] for key in ("scores", "labels", "boxes", "mask_areas")}
        top = instances[: len(expected["scores"])]
        np.testing.assert_allclose(top.scores, expected["scores"], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(top.labels, expected["labels"])
        np.testing.assert_allclose(top.boxes, expected["boxes"], rtol=0, atol=2e-3)
        np.testing.assert_allclose(top.masks.areas(), expected["mask_areas"], rtol=0, atol=2)


def check_losses_and_gradients(reference: Reference) -> None:
    model = reference.model
    model.zero_grad()
    losses = model.loss(reference.batch, reference.targets)
    ours = {name.replace("stage", "s").replace("accuracy", "pos_acc"): loss.item() for name, loss in losses.items()}
    assert ours == pytest.approx(reference.facts["losses"], rel=1e-3)
    sum(loss for name, loss in losses.items() if "loss" in name).backward()
    parameters = dict(model.named_parameters())
    for name, norm in reference.facts["grad_norms"].items():
        (our_name,) = mmdet.translate({name: torch.zeros(1)})
        gradient = parameters[our_name].grad
        assert (0.0 if gradient is None else gradient.norm().item()) == pytest.approx(norm, rel=1e-3, abs=1e-5), name


def test_small_forward(small: Reference) -> None:
    check_forward(small)


def test_small_detections(small: Reference) -> None:
    check_detections(small)


def test_small_losses_and_gradients(small: Reference) -> None:
    check_losses_and_gradients(small)


def test_small_mask_logits(small: Reference) -> None:
    expected = small.arrays["mask_logits"]  # [B, 4, C, 28, 28], of the first queries
    with torch.inference_mode():
        outputs = small.model(small.batch.tensor, small.image_hw)
        masks = _all_class_masks(small.model, outputs)
    np.testing.assert_allclose(masks[:, : expected.shape[1]], expected, rtol=0, atol=1e-4)


def _all_class_masks(model: QueryInst, outputs: QueryInstOutputs) -> torch.Tensor:
    """[B, Q, C, 28, 28]: what the last mask head says of every query and class."""
    head, state = model.mask_heads[-1], outputs.state
    image = torch.arange(len(state.boxes)).repeat_interleave(state.boxes.shape[1])
    rois = pool_rois(outputs.pyramid, model.strides, state.boxes.flatten(0, 1), image, head.roi_size)
    features = head.features(state.mask_embeds.flatten(0, 1), rois)
    return head.logits(features).unflatten(0, state.boxes.shape[:2])


@pytest.mark.slow
def test_full_forward(full: Reference) -> None:
    check_forward(full)


@pytest.mark.slow
def test_full_detections(full: Reference) -> None:
    check_detections(full)


@pytest.mark.slow
def test_full_losses_and_gradients(full: Reference) -> None:
    check_losses_and_gradients(full)
