"""Weights from one code base to another on the command line: what is written, what is said, what is refused."""

from pathlib import Path

import pytest
import torch
from conversion_models import assert_same, randomise

from queryinst_vis import checkpoint, load_model, model_zoo
from queryinst_vis.checkpoint import save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.config import build, load_config
from queryinst_vis.conversion import from_our_names
from queryinst_vis.models import LearnedQueries, QueryInst, ResNet, TrackHead
from queryinst_vis.safe_load import safe_load
from queryinst_vis.weights_file import read_weights

CONFIG = """
from queryinst_vis.models import LearnedQueries, ModelInfo, QueryInst, ResNet

model = dict(
    type=QueryInst, backbone=dict(type=ResNet, depth=18), queries=dict(type=LearnedQueries, num_queries=4, embed_dim=16),
    num_classes={num_classes}, num_stages=1, embed_dim=16, num_heads=2, ffn_dim=16, dynamic_dim=4,
)
"""


def _model(**options) -> QueryInst:
    config = {
        "type": QueryInst,
        "backbone": {"type": ResNet, "depth": 18},
        "queries": {"type": LearnedQueries, "num_queries": 4, "embed_dim": 16},
    }
    sizes = {"num_classes": 2, "num_stages": 1, "embed_dim": 16, "num_heads": 2, "ffn_dim": 16, "dynamic_dim": 4}
    model = build(config | sizes | options)
    randomise(model)
    model.info.classes = ("cat", "dog")
    return model


@pytest.fixture(scope="module")
def model() -> QueryInst:
    return _model()


@pytest.fixture
def ours(model, tmp_path) -> Path:
    """A file that describes itself."""
    save_weights(model, tmp_path / "ours.safetensors")
    return tmp_path / "ours.safetensors"


@pytest.fixture
def theirs(model, tmp_path) -> Path:
    """mmdetection's, as a training leaves it."""
    state = from_our_names(model.state_dict(), "mmdet") | {"data_preprocessor.mean": torch.zeros(3, 1, 1)}
    torch.save({"meta": {"CLASSES": ("cat", "dog")}, "state_dict": state, "optimizer": {}}, tmp_path / "theirs.pth")
    return tmp_path / "theirs.pth"


def _convert(*arguments) -> int:
    return main(["convert", *map(str, arguments)])


def _error(capsys, *arguments) -> str:
    assert _convert(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("dialect", ["mmdet", "hustvl"])
def test_there_and_back(model, ours, tmp_path, dialect, capsys):
    assert _convert(ours, tmp_path / "theirs.pth", "--to", dialect) == 0
    assert "2 class names" in capsys.readouterr().out
    content = torch.load(tmp_path / "theirs.pth", weights_only=True)
    assert content["meta"] == {"CLASSES": ("cat", "dog"), "dataset_meta": {"classes": ("cat", "dog")}}
    assert_same(content["state_dict"], from_our_names(model.state_dict(), dialect))
    assert _convert(tmp_path / "theirs.pth", tmp_path / "back.safetensors", "--to", "ours") == 0
    assert ("4 of them are folded" in capsys.readouterr().out) == (dialect == "hustvl")
    file = read_weights(tmp_path / "back.safetensors")
    assert_same(file.tensors, model.state_dict())
    assert (file.architecture, file.info.classes) == (None, ("cat", "dog"))


def test_report(theirs, tmp_path, capsys):
    out = tmp_path / "out.pth"
    assert _convert(theirs, out, "--to", "ours") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"theirs.pth: mmdetection names, {len(safe_load(theirs)['state_dict'])} tensors"
    assert lines[1] == "  left out (1), no place in ours: data_preprocessor.mean"
    assert lines[2].startswith(f"wrote {out}: {len(_model().state_dict())} tensors, ")
    assert lines[2].endswith("plain tensors, to be opened with the config of their model")
    assert len(lines) == 3


def test_with_a_config_it_describes_itself(model, theirs, tmp_path, capsys):
    config, out = tmp_path / "config.py", tmp_path / "out.safetensors"
    config.write_text(CONFIG.format(num_classes=2))
    assert _convert(theirs, out, "--to", "ours", "--config", config) == 0
    assert "opens without a config" in capsys.readouterr().out
    loaded = load_model(out, device="cpu")
    assert_same(loaded.state_dict(), model.state_dict())
    assert loaded.info.classes == ("cat", "dog")


def test_published_name_knows_its_config(model, theirs, tmp_path, monkeypatch):
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(num_classes=2))
    monkeypatch.setitem(model_zoo.PUBLISHED, "tiny_coco", "https://host/a.pth")
    monkeypatch.setattr(model_zoo, "download", {"https://host/a.pth": theirs}.__getitem__)
    monkeypatch.setattr(checkpoint, "load_config", lambda name: load_config({"tiny_coco": config}[name]))
    assert _convert("tiny_coco", tmp_path / "out.safetensors", "--to", "ours") == 0
    assert_same(load_model(tmp_path / "out.safetensors", device="cpu").state_dict(), model.state_dict())


def test_plain_file_opens_with_its_config(model, theirs, tmp_path, capsys):
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(num_classes=2))
    for suffix in (".pth", ".safetensors"):
        out = tmp_path / f"out{suffix}"
        assert _convert(theirs, out, "--to", "ours") == 0
        loaded = load_model(out, device="cpu", config=config)
        assert_same(loaded.state_dict(), model.state_dict())
        assert loaded.info.classes == ("cat", "dog")
        assert "config" in _error(capsys, out, tmp_path / "again.safetensors", "--to", "ours", "--config", tmp_path / "none.py")


def test_description_stays(ours, tmp_path):
    assert _convert(ours, tmp_path / "copy.safetensors", "--to", "ours") == 0
    assert (tmp_path / "copy.safetensors").read_bytes() == ours.read_bytes()


def test_track_head_is_left_out_and_named(tmp_path, capsys):
    model = _model(track_head={"type": TrackHead, "in_dim": 16, "embed_dim": 8})
    save_weights(model, tmp_path / "vis.safetensors")
    assert _convert(tmp_path / "vis.safetensors", tmp_path / "out.pth", "--to", "mmdet") == 0
    assert "left out (4), no place in mmdet: track_head.fcs.*.bias, track_head.fcs.*.weight" in capsys.readouterr().out
    kept = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("track_head.")}
    assert_same(safe_load(tmp_path / "out.pth")["state_dict"], from_our_names(kept, "mmdet"))


def test_default_model_has_no_place_elsewhere(tmp_path, capsys):
    error = _error(capsys, "default", tmp_path / "out.pth", "--to", "mmdet")
    assert "mmdet cannot hold this model" in error
    assert not list(tmp_path.iterdir())


def test_incomplete_file_is_not_made_a_model(theirs, tmp_path, capsys):
    """Sparse R-CNN has no masks."""
    state = {name: t for name, t in safe_load(theirs)["state_dict"].items() if not name.startswith("roi_head.mask_head.")}
    torch.save({"state_dict": state}, tmp_path / "boxes.pth")
    config, out = tmp_path / "config.py", tmp_path / "out.safetensors"
    config.write_text(CONFIG.format(num_classes=2))
    error = _error(capsys, tmp_path / "boxes.pth", out, "--to", "ours", "--config", config)
    assert "missing: mask_heads.*.interaction.generator.weight" in error
    config.write_text(CONFIG.format(num_classes=3))
    error = _error(capsys, theirs, out, "--to", "ours", "--config", config)
    assert "theirs.pth knows 2 classes, the model has 3" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["SRC", "DST.safetensors", "--to", "mmdet"], "written as .pth"),
        (["SRC", "DST.onnx", "--to", "ours"], ".safetensors or .pth"),
        (["SRC", "DST.pth", "--to", "mmdet", "--config", "a.py"], "--config"),
        (["SRC", "DST.pth", "--to", "ours", "--config", "a.py"], "--config"),
        (["SRC", "SRC", "--to", "ours"], "is an input"),
        (["SRC", "SRC", "--to", "ours", "--overwrite"], "is an input"),
        (["none.pth", "DST.pth", "--to", "mmdet"], "no such file"),
        (["mmdet", "DST.pth", "--to", "mmdet"], "no weights named 'mmdet'"),
        (["SRC", "nowhere/DST.pth", "--to", "mmdet"], "no folder"),
    ],
)
def test_refused_in_one_line(arguments, words, ours, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert words in _error(capsys, *(ours if argument == "SRC" else argument for argument in arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["ours.safetensors"]


@pytest.mark.parametrize(("arguments", "words"), [(["--to", "detectron2"], "'ours', 'mmdet', 'hustvl'"), ([], "--to")])
def test_direction_is_one_of_three(arguments, words, capsys):
    assert words in _error(capsys, "default", "out.pth", *arguments)


@pytest.mark.parametrize("content", [{"state_dict": {"blocks.0.attn.qkv.weight": torch.zeros(2)}}, {"state_dict": {}}, {"a": 1}])
def test_unknown_names(content, tmp_path, capsys):
    torch.save(content, tmp_path / "a.pth")
    error = _error(capsys, tmp_path / "a.pth", tmp_path / "b.pth", "--to", "ours")
    assert "a.pth" in error
    assert not (tmp_path / "b.pth").exists()


def test_damaged_file(tmp_path, capsys):
    (tmp_path / "a.pth").write_bytes(b"no weights")
    assert "not a torch checkpoint" in _error(capsys, tmp_path / "a.pth", tmp_path / "b.pth", "--to", "ours")


def test_write_that_fails_leaves_the_old_file(ours, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.pth"
    out.write_bytes(b"old")
    monkeypatch.setattr("queryinst_vis.weights_file.torch.save", _full_disk)
    assert "No space" in _error(capsys, ours, out, "--to", "mmdet", "--overwrite")
    assert out.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours.safetensors", "out.pth"]


def _full_disk(content: object, path: Path) -> None:
    path.write_bytes(b"part")
    raise RuntimeError("No space left on device")
