"""Exported models find what the models find; files that are damaged, foreign or hostile are refused in a line."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from config_models import model_settings, narrow_model
from torch import nn

from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.main import main
from queryinst_vis.errors import UserError
from queryinst_vis.exporting import ExportedModel, FileDescription, export_model, load_exported
from queryinst_vis.models import Preprocess, QueryInst
from queryinst_vis.models.base import ImageModel, ModelInfo
from queryinst_vis.structures import Instances
from queryinst_vis.video import open_video

DEFAULT, LEARNED = "queryinst_nano_coco_mini", "queryinst_vis_r50_roi_12e_ytvis2019"


def lively(name: str) -> QueryInst:
    """A narrow model of a config with class scores that differ, in eval mode."""
    model = narrow_model(model_settings(name) | {"num_stages": 2})
    torch.manual_seed(2)
    for stage in model.stages:
        nn.init.normal_(stage.fc_cls.weight, std=0.3)  # type: ignore[arg-type, union-attr]
    model.preprocess = Preprocess(160, 256)
    model.info = ModelInfo(classes=tuple(f"class {i}" for i in range(model.num_classes)), score_threshold=0.25)
    return model.eval()


def frames(*sizes: tuple[int, int]) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def assert_same(found: list[Instances], expected: list[Instances], *, atol: float = 1e-3) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.image_hw == theirs.image_hw
        assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.query_ids, theirs.query_ids)
        torch.testing.assert_close(ours.boxes, theirs.boxes, atol=atol, rtol=1e-3)
        torch.testing.assert_close(ours.scores, theirs.scores, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.class_scores, theirs.class_scores, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.embeds, theirs.embeds, atol=atol, rtol=1e-3)
        torch.testing.assert_close(ours.masks.probabilities, theirs.masks.probabilities, atol=atol, rtol=1e-3)


def need_onnx() -> None:
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)


@pytest.fixture(scope="module")
def model() -> QueryInst:
    return lively(DEFAULT)


@pytest.fixture(scope="module")
def exported(model: QueryInst, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The file of a format, with any size and any batch, made once."""
    folder = tmp_path_factory.mktemp("exported")

    def path_of(kind: str) -> Path:
        if kind == "onnx":
            need_onnx()
        path = folder / ("any.onnx" if kind == "onnx" else "any.pt2")
        if not path.exists():
            export_model(model, path, to=kind, batch=None)  # type: ignore[arg-type]
        return path

    return path_of


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_any_size_and_batch(model: QueryInst, exported: Callable[[str], Path], kind: str) -> None:
    other = load_exported(exported(kind), device="cpu")
    assert isinstance(other, ImageModel)
    assert other.info == model.info
    for images in (frames((120, 200)), frames((120, 200), (200, 120), (128, 128))):
        for min_score in (0.0, 0.4, 1.0):
            assert_same(other.predict(images, min_score=min_score), model.predict(images, min_score=min_score))


def test_another_short_side(model: QueryInst, exported: Callable[[str], Path]) -> None:
    images = frames((120, 200))
    expected = load_model_like(model, model.preprocess.resized(192)).predict(images)
    assert_same(load_model(exported("torch"), device="cpu", size=192).predict(images), expected)


def load_model_like(model: QueryInst, preprocess: Preprocess) -> QueryInst:
    other = lively(DEFAULT)
    other.load_state_dict(model.state_dict())
    other.preprocess = preprocess
    return other


def test_pictures_that_the_network_cannot_take(exported: Callable[[str], Path]) -> None:
    other = load_exported(exported("torch"), device="cpu", size=32)
    with pytest.raises(UserError, match="does not run on"):
        other.predict(frames((40, 40)))


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_one_size_and_a_batch_of_two(tmp_path: Path, kind: str) -> None:
    """Roi features of a track head and learned queries besides."""
    if kind == "onnx":
        need_onnx()
    model = lively(LEARNED)
    path = tmp_path / f"two.{'onnx' if kind == 'onnx' else 'pt2'}"
    export_model(model, path, to=kind, input_hw=(160, 256), batch=2)  # type: ignore[arg-type]
    other = load_exported(path, device="cpu")
    images = frames((160, 256), (80, 128), (160, 256))
    assert_same(other.predict(images), model.predict(images))
    assert other.preprocess(frames((300, 40))).tensor.shape == (1, 3, 160, 256)
    with pytest.raises(UserError, match="160 x 256 only"):
        load_exported(path, size=96)


def test_what_cannot_be_exported(model: QueryInst, tmp_path: Path) -> None:
    for arguments, message in (
        ({"input_hw": (100, 128)}, "multiples of 32"),
        ({"batch": 0}, "batch is from 1"),
    ):
        with pytest.raises(UserError, match=message):
            export_model(model, tmp_path / "out.pt2", to="torch", **arguments)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="only QueryInst"):
        export_model(ImageModel(preprocess=Preprocess()), tmp_path / "out.pt2", to="torch")
    assert not list(tmp_path.iterdir())


def test_an_exported_model_does_not_learn(exported: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="cannot be trained"):
        load_exported(exported("torch"), device="cpu").loss(None, None)


@pytest.mark.parametrize("name", ["a.onnx", "a.pt2"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04" + 100 * b"\0"])
def test_damaged_files(tmp_path: Path, name: str, content: bytes) -> None:
    if name.endswith("onnx"):
        need_onnx()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        load_exported(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_foreign_onnx_file(tmp_path: Path) -> None:
    need_onnx()
    import onnx

    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [value], [onnx.helper.make_tensor_value_info("y", 1, [1])])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9), tmp_path / "x.onnx")
    with pytest.raises(UserError, match="was not made by"):
        load_exported(tmp_path / "x.onnx")


def changed(path: Path, out: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of an archive, its parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename.partition("/")[2]: archive.read(info) for info in archive.infolist()}
    change(parts)
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"archive/{name}", content)
    return out


GRAPH = "models/model.json"
HOSTILE = {
    "an expression": (GRAPH, b"Symbol('", b"__import__('os').system('true') or Symbol('"),
    "an operator": (GRAPH, b"torch.ops.aten.conv2d.default", b"torch.hub.load"),
    "a guard": (GRAPH, b'"guards_code": []', b'"guards_code": ["__import__(1)"]'),
    "an operator that reads files": (GRAPH, b"torch.ops.aten.conv2d.default", b"torch.ops.aten.from_file.default"),
    "a pickle": ("data/weights/model_weights_config.json", b'"use_pickle": false', b'"use_pickle": true'),
    "another file": ("data/weights/model_weights_config.json", b'"weight_0"', b'"../../x"'),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_programs_are_refused(exported: Callable[[str], Path], tmp_path: Path, kind: str) -> None:
    name, old, new = HOSTILE[kind]

    def change(parts: dict[str, bytes]) -> None:
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new)

    with pytest.raises(UserError, match="could be code"):
        load_exported(changed(exported("torch"), tmp_path / "bad.pt2", change))


def test_pickles_in_a_program_are_refused(exported: Callable[[str], Path], tmp_path: Path) -> None:
    for name, message in (("data/sample_inputs/model.pt", "pickled samples"), ("data/constants/custom_obj_0", "no part of")):
        with pytest.raises(UserError, match=message):
            load_exported(
                changed(exported("torch"), tmp_path / "bad.pt2", lambda parts, name=name: parts.update({name: b"x"}))  # type: ignore[misc]
            )


def test_descriptions() -> None:
    description = FileDescription(ModelInfo(classes=("cat",)), Preprocess(64, 96), 3, (64, 96))
    again = FileDescription.from_text(description.to_text(), "file")
    assert dataclasses.replace(again, preprocess=description.preprocess) == description
    assert again.preprocess.long == 96
    values = json.loads(description.to_text())
    for wrong in ({"version": 2}, {"batch": -1}, {"input_hw": [1]}, {"preprocess": {"short": "x"}}, {"info": None}):
        with pytest.raises(UserError, match="file: "):
            FileDescription.from_text(json.dumps(values | wrong), "file")


def test_names_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["default", "out.bin"], "must end in .onnx or .pt2"),
        (["default", "out.pt2", "--to", "onnx"], "must end in .onnx"),
        (["model.onnx", "out.pt2"], "export from its weights"),
    ):
        assert main(["export-model", *arguments]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "options"), [("onnx", []), ("onnx", ["--batch", "dynamic"]), ("pt2", ["--batch", "dynamic"])])
def test_the_default_model_on_a_real_video(
    tmp_path: Path, repo_root: Path, suffix: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Detections of frames equal torch's, and `track` gives the same tracks."""
    if suffix == "onnx":
        need_onnx()
    clip, path = repo_root / "demo" / "clip.mp4", tmp_path / f"default.{suffix}"
    assert main(["export-model", "default", str(path), *options]) == 0
    with open_video(clip, max_frames=24) as video:
        images = [frame.image for frame in video]
    model, other = load_model("default", device="cpu"), load_model(path, device="cpu")
    assert isinstance(other, ExportedModel)
    assert sum(len(found) for found in model.predict(images[:1], min_score=0.3)) > 1
    for begin in range(0, 24, 4):
        some = images[begin : begin + 4 : 2]
        assert_same(other.predict(some, min_score=0.1), model.predict(some, min_score=0.1))
    arguments = ["--no-video", "--max-frames", "24", "--device", "cpu", "--quiet"]
    tracks = []
    for name in ("default", str(path)):
        out = tmp_path / "tracks.json"
        assert main(["track", str(clip), "--model", name, "--json", str(out), "--overwrite", *arguments]) == 0
        tracks.append(json.loads(out.read_text())["tracks"])
    summaries = [[(t["id"], t["category_id"], len(t["frames"]), round(t["score"], 3)) for t in found] for found in tracks]
    assert summaries[0] == summaries[1]
    assert len(summaries[0]) > 1
