"""Weights into models and out of them."""

import json
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_queryinst import tiny_model

from queryinst_vis import checkpoint, model_zoo
from queryinst_vis.checkpoint import CheckpointError, load_model, load_weights, save_weights
from queryinst_vis.config import build_from_json, load_config
from queryinst_vis.data.classes import COCO
from queryinst_vis.errors import UserError
from queryinst_vis.models.backbones import ShuffleNetV2
from queryinst_vis.models.base import ModelInfo
from queryinst_vis.models.queries import LearnedQueries, choose_queries
from queryinst_vis.models.queryinst import QueryInst


def _build(**sizes: int) -> QueryInst:
    model = tiny_model(**sizes)
    model.info.score_threshold, model.info.similarity = 0.45, "dot"
    return model


@pytest.fixture(scope="module")
def model() -> QueryInst:
    return _build()


@pytest.fixture
def saved(model, tmp_path) -> Path:
    save_weights(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def _assert_equal(model, other, *, rtol: float = 0.0) -> None:
    others = other.state_dict()
    assert model.state_dict().keys() == others.keys()
    for name, tensor in model.state_dict().items():
        assert torch.allclose(others[name], tensor, rtol=rtol, atol=rtol), name


def _one_line(error: type[Exception], call, *args, **kwargs) -> str:
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Files of ours


def test_saved_model_comes_back_without_a_config(model, saved):
    loaded = load_model(saved, device="cpu")
    _assert_equal(model, loaded)
    assert not loaded.training
    assert loaded.info == model.info
    assert loaded.preprocess == model.preprocess
    assert loaded.architecture == model.architecture
    image = np.random.default_rng(0).integers(0, 255, (48, 96, 3), np.uint8)
    ((a,), (b,)) = model.predict([image]), loaded.predict([image])
    assert torch.equal(a.boxes, b.boxes)
    assert torch.equal(a.scores, b.scores)


def test_saved_again_is_the_same_file(saved, tmp_path):
    save_weights(load_model(saved, device="cpu"), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_half_precision(model, saved, tmp_path):
    path = tmp_path / "half.safetensors"
    save_weights(model, path, half=True)
    loaded = load_model(path, device="cpu")
    assert path.stat().st_size < 0.6 * saved.stat().st_size
    assert {t.dtype for t in loaded.state_dict().values()} == {torch.float32, torch.int64}
    _assert_equal(model, loaded, rtol=1e-3)


def test_half_precision_refuses_what_does_not_fit(tmp_path):
    model = _build()
    model.stages[0].fc_reg.bias.data[0] = 1e6
    assert "stages.0.fc_reg.bias" in _one_line(CheckpointError, save_weights, model, tmp_path / "a.safetensors", half=True)
    assert not list(tmp_path.iterdir())


def test_tensors_that_share_memory_are_saved(tmp_path):
    model = _build()
    model.stages[0].fc_cls.weight = model.queries.embeds  # not contiguous with the rest, and twice in the state dict
    model.stages[0].fc_cls.weight.data = model.queries.embeds.data[:2]
    save_weights(model, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("stages.0.fc_cls.weight"), model.queries.embeds)


def test_size_changes_the_short_side_and_keeps_the_ratio(saved):
    preprocess = load_model(saved, device="cpu", size=96).preprocess
    assert (preprocess.short, preprocess.long) == (96, 192)
    assert "got 8" in _one_line(UserError, load_model, saved, size=8)
    assert "from 32 to 4096; got 20000" in _one_line(UserError, load_model, saved, size=20000)


def test_unknown_device(saved):
    _one_line(UserError, load_model, saved, device="tpu9")


def test_model_that_does_not_know_its_architecture(tmp_path):
    model = QueryInst(ShuffleNetV2(), LearnedQueries(3, 16), num_classes=2, embed_dim=16, num_heads=2)
    assert "config.build" in _one_line(CheckpointError, save_weights, model, tmp_path / "a.safetensors")


def test_write_that_fails_leaves_the_old_file(model, saved, monkeypatch, tmp_path):
    before = saved.read_bytes()
    monkeypatch.setattr("queryinst_vis.weights_file.save_file", _full_disk)
    assert "No space" in _one_line(CheckpointError, save_weights, model, saved)
    assert saved.read_bytes() == before
    assert list(tmp_path.iterdir()) == [saved]


def _full_disk(tensors: object, path: Path, metadata: object) -> None:
    path.write_bytes(b"part")
    raise OSError(28, "No space left on device")


def test_folder_that_does_not_exist(model, tmp_path):
    _one_line(CheckpointError, save_weights, model, tmp_path / "nowhere" / "a.safetensors")


def _with_description(saved: Path, change: object) -> Path:
    """change: keys to replace in the description, or a whole text instead of it."""
    with safe_open(saved, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    text = change if isinstance(change, str) else json.dumps(json.loads(metadata["queryinst_vis"]) | change)
    save_file(tensors, saved, {"queryinst_vis": text})
    return saved


@pytest.mark.parametrize(
    "change",
    [
        "no json",
        "[1, 2]",
        "[" * 100_000,
        {"version": 2},
        {"architecture": [1, 2]},
        {"architecture": {}},
        {"architecture": {"type": "os.system", "command": "true"}},
        {"architecture": {"type": "ResNet", "depth": 18}},
        {"architecture": {"type": "FPN", "in_channels": [1], "out_channels": "many"}},
        {"architecture": {"type": "FPN", "in_channels": [1], "out_channels": 1 << 50}},
        {"info": {}},
        {"info": {"classes": 3, "score_threshold": "high", "similarity": 1, "tracker": 2}},
    ],
)
def test_description_that_cannot_be_trusted(saved, change):
    assert str(saved) in _one_line(CheckpointError, load_model, _with_description(saved, change), device="cpu")


def test_small_file_of_a_huge_model_costs_no_memory(saved, monkeypatch):
    """Its numbers were believed: a file of kilobytes made the program ask for gigabytes."""
    with safe_open(saved, "pt") as file:
        architecture = json.loads(file.metadata()["queryinst_vis"])["architecture"]
    built = []
    monkeypatch.setattr(checkpoint, "build_from_json", lambda values: built.append(build_from_json(values)) or built[-1])
    path = _with_description(saved, {"architecture": architecture | {"ffn_dim": 1 << 28}})
    assert "shapes differ" in _one_line(CheckpointError, load_model, path, device="cpu")
    assert [tensor.device.type for model in built for tensor in model.parameters()] == ["meta"] * len(list(built[0].parameters()))


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_others_may_read_what_the_umask_lets_them(model, tmp_path):
    """safetensors writes files for their owner only; a wheel carried them like that to machines of several users."""
    (tmp_path / "plain").touch()
    save_weights(model, tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_foreign_safetensors_needs_a_config(model, tmp_path):
    save_file(model.state_dict(), tmp_path / "a.safetensors", {"format": "pt"})
    assert "config" in _one_line(CheckpointError, load_model, tmp_path / "a.safetensors", device="cpu")


def test_file_without_a_tensor_of_the_model(saved):
    with safe_open(saved, "pt") as file:
        names, metadata = list(file.keys()), file.metadata()
        tensors = {name: file.get_tensor(name) for name in names if name != "queries.boxes"}
    save_file(tensors, saved, metadata)
    assert "queries.boxes" in _one_line(CheckpointError, load_model, saved, device="cpu")


# Files of others, and names


def test_checkpoint_needs_its_config(model, saved, tmp_path):
    torch.save({"state_dict": model.state_dict(), "meta": {"CLASSES": ("a", "b")}}, tmp_path / "a.pth")
    assert "config" in _one_line(CheckpointError, load_model, tmp_path / "a.pth", device="cpu")


CONFIG = """
from queryinst_vis.models.backbones import ShuffleNetV2
from queryinst_vis.models.base import ModelInfo
from queryinst_vis.models.queries import LearnedQueries
from queryinst_vis.models.queryinst import QueryInst

model = dict(
    type=QueryInst,
    backbone=dict(type=ShuffleNetV2),
    queries=dict(type=LearnedQueries, num_queries=3, embed_dim=16),
    num_classes=2, num_stages=1, embed_dim=16, num_heads=2, ffn_dim=16, dynamic_dim=4,
)
"""


@pytest.mark.parametrize("meta", [{"CLASSES": ("a", "b")}, {"dataset_meta": {"classes": ["a", "b"]}}])
def test_checkpoint_with_its_config(model, tmp_path, meta):
    config = tmp_path / "config.py"
    config.write_text(CONFIG)
    torch.save({"state_dict": model.state_dict(), "meta": meta}, tmp_path / "a.pth")
    loaded = load_model(tmp_path / "a.pth", device="cpu", config=config)
    _assert_equal(model, loaded)
    assert loaded.info == ModelInfo(("a", "b"))
    config.write_text(CONFIG + "info = dict(type=ModelInfo, classes=('c', 'd'), score_threshold=0.2)\n")
    loaded = load_model(tmp_path / "a.pth", device="cpu", config=config)
    assert loaded.info == ModelInfo(("c", "d"), score_threshold=0.2)


def test_published_name(model, tmp_path, monkeypatch):
    """Its file comes from the download, its architecture from the config of that name, its classes are COCO's."""
    (tmp_path / "config.py").write_text(CONFIG)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "a.pth")
    monkeypatch.setitem(model_zoo.PUBLISHED, "tiny_coco", "https://host/a.pth")
    monkeypatch.setattr(model_zoo, "download", {"https://host/a.pth": tmp_path / "a.pth"}.__getitem__)
    monkeypatch.setattr(checkpoint, "load_config", lambda name: load_config({"tiny_coco": tmp_path / "config.py"}[name]))
    loaded = load_model("tiny_coco", device="cpu")
    _assert_equal(model, loaded)
    assert loaded.info.classes == COCO


@pytest.mark.parametrize("name", ["querinst_r50_12e_coco", "nothing like it", ""])
def test_unknown_name(name):
    assert "queryinst_r50_12e_coco" in _one_line(UserError, load_model, name)


def test_path_that_does_not_exist(tmp_path):
    assert "no such file" in _one_line(UserError, load_model, tmp_path / "a.safetensors")


def test_folder_is_no_model(tmp_path):
    _one_line(UserError, load_model, tmp_path)


def test_default_model_is_embedded(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model_zoo.resources, "files", lambda package: tmp_path)
    assert "no default model" in _one_line(CheckpointError, load_model)
    (tmp_path / "weights").mkdir()
    save_weights(model, tmp_path / "weights" / "small.safetensors")
    _assert_equal(model, load_model(device="cpu"))


# load_weights


@pytest.mark.parametrize("prefix", ["", "model.", "module.", "module.model.", "module._orig_mod."])
def test_prefixes_of_wrappers(model, prefix, tmp_path):
    state = OrderedDict((prefix + name, tensor) for name, tensor in model.state_dict().items())
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    other = _build()
    report = load_weights(other, tmp_path / "a.pth")
    assert report.is_complete
    assert not report.left_over
    assert "queryinst_vis names" in str(report)
    _assert_equal(model, other)


@pytest.mark.parametrize(
    "content",
    [
        lambda raw, averaged: {"state_dict": raw, "ema": {"num_steps": 3, "state_dict": averaged}},  # ours
        lambda raw, averaged: {"state_dict": averaged, "ema_state_dict": raw | {"steps": torch.tensor(3)}},  # mmengine's EMAHook
    ],
)
def test_averaged_weights_of_a_training_are_taken(model, content, tmp_path):
    averaged = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    raw = {name: torch.zeros_like(tensor) for name, tensor in averaged.items()}
    torch.save(content(raw, averaged), tmp_path / "a.pth")
    other = _build()
    load_weights(other, tmp_path / "a.pth")
    _assert_equal(model, other)


@pytest.mark.parametrize("is_zip", [True, False])  # published files are in the older format
def test_bare_state_dict(model, tmp_path, is_zip):
    torch.save(model.state_dict(), tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    other = _build()
    assert load_weights(other, tmp_path / "a.pth").is_complete
    _assert_equal(model, other)


def test_report_of_what_did_not_match(model):
    state = dict(model.state_dict())
    del state["stages.0.fc_cls.bias"], state["fpn.lateral.0.weight"], state["backbone.conv1.1.num_batches_tracked"]
    report = load_weights(_build(), state | {"extra.7.weight": torch.zeros(1)})
    assert report.missing == ("fpn.lateral.0.weight", "stages.0.fc_cls.bias")
    assert report.left_over == ("extra.7.weight",)
    assert not report.is_complete
    assert "left over (1): extra.*.weight" in str(report)
    assert "missing (2): fpn.lateral.*.weight, stages.*.fc_cls.bias" in str(report)


def test_other_shapes_are_an_error_unless_asked_for(model):
    other = _build(num_classes=1, num_queries=5)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    message = _one_line(CheckpointError, load_weights, other, model.state_dict())
    assert message == (
        "state dict knows 2 classes, the model has 1; it has 3 initial queries, the model 5: take the config that it was trained "
        "with, or train on: allow_shape_mismatch=True starts the class layers fresh (stages.*.fc_cls, mask_heads.*.logits) and "
        "starts the queries fresh"
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())
    report = load_weights(other, model.state_dict(), allow_shape_mismatch=True)
    changed = {"queries.boxes", "queries.embeds", "stages.0.fc_cls.weight", "stages.0.fc_cls.bias"}
    assert set(report.mismatched) == changed | {"mask_heads.0.logits.weight", "mask_heads.0.logits.bias"}
    assert report.notes == (
        "class layers start fresh, 1 instead of 2 classes: stages.*.fc_cls, mask_heads.*.logits",
        "initial queries start fresh, 5 instead of 3",
    )
    assert torch.equal(other.queries.boxes, before["queries.boxes"])
    assert torch.equal(other.fpn.lateral[0].weight, model.fpn.lateral[0].weight)


def test_file_of_another_class_count_says_so(saved):
    """Also of a file with a config, and with more queries, of which some can be chosen."""
    message = _one_line(CheckpointError, load_weights, _build(num_classes=1), saved)
    assert message.startswith("model.safetensors knows 2 classes, the model has 1: take the config")
    assert "queries" not in message
    message = _one_line(CheckpointError, load_weights, _build(num_queries=2), saved)
    assert message.startswith("model.safetensors has 3 initial queries, the model 2: ")
    assert message.endswith("allow_shape_mismatch=True chooses 2 of them")
    other = {name: t[:, :1] if name.endswith("ffn.0.weight") else t for name, t in _build().state_dict().items()}
    message = _one_line(CheckpointError, load_weights, _build(num_classes=1), other)
    assert message.endswith(
        "(stages.*.fc_cls, mask_heads.*.logits); of another shape are also stages.*.ffn.*.weight [16, 1] instead of [16, 16]"
    )


@pytest.mark.parametrize("state", [{}, {"a": torch.zeros(1)}])
def test_nothing_matches(model, state):
    assert "nothing" in _one_line(CheckpointError, load_weights, model, state)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": 3},
        {"a": 1},
        {1: torch.zeros(1)},
        {"w": torch.zeros(2, 2).to_sparse()},
        {"w": torch.zeros(1, device="meta")},
    ],
)
def test_checkpoint_without_a_state_dict(model, content, tmp_path):
    torch.save(content, tmp_path / "a.pth")
    assert "state dict" in _one_line(CheckpointError, load_weights, model, tmp_path / "a.pth")


def test_fewer_queries_are_chosen_to_stand_for_all():
    """Of the twelve queries two heaps of four are nearly equal, four are alone."""
    many, few = _build(num_queries=12), _build(num_queries=6)
    with torch.no_grad():
        for start in (0, 4):
            many.queries.embeds[start : start + 4] = many.queries.embeds[start] + 0.01 * torch.randn(4, 16)
    report = load_weights(few, many.state_dict(), allow_shape_mismatch=True)
    assert not report.mismatched
    (note,) = report.notes
    chosen = [int(number) for number in note.split("[")[1].rstrip("]").split(", ")]
    assert [sum(index in heap for index in chosen) for heap in (range(4), range(4, 8), range(8, 12))] == [1, 1, 4]
    assert torch.equal(few.queries.boxes, many.queries.boxes[chosen])
    assert torch.equal(few.queries.embeds, many.queries.embeds[chosen])
    assert note in str(report)


def test_choosing_queries_looks_at_boxes_too():
    boxes = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.21, 0.2, 0.2, 0.2], [0.8, 0.8, 0.2, 0.2], [0.8, 0.79, 0.2, 0.2]])
    chosen = choose_queries(boxes, torch.ones(4, 8), 2).tolist()
    assert [index // 2 for index in chosen] == [0, 1]
