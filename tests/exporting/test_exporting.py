"""Exported models find what the models find; files that are damaged, foreign or hostile are refused in a line."""

import dataclasses
import functools
import json
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.main import main
from queryinst_vis.errors import UserError
from queryinst_vis.exporting import ExportedModel, FileDescription, export_model, load_exported
from queryinst_vis.models import DenseQueries, LearnedQueries, Preprocess, QueryInst, TrackHead
from queryinst_vis.models.base import ImageModel, ModelInfo
from queryinst_vis.structures import Instances
from queryinst_vis.video import open_video

NARROW: dict[str, Any] = {
    "embed_dim": 32,
    "num_heads": 4,
    "ffn_dim": 64,
    "dynamic_dim": 8,
    "num_mask_convs": 1,
    "max_detections": 8,
}


class TinyBackbone(nn.Module):
    """Four maps by five convolutions with batch norms: graphs of large ones take long to make."""

    strides = (4, 8, 16, 32)
    channels = (8, 8, 16, 16)

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.1, inplace=True))
            for before, after in pairwise((3, 8, *self.channels))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for step in self.steps:
            x = step(x)
            maps.append(x)
        return maps[1:]


def like_the_default() -> QueryInst:
    """Queries from a detector, masks without classes, NMS."""
    torch.manual_seed(0)
    queries = DenseQueries(8, 32, in_channels=TinyBackbone.channels[1:], channels=16, backbone=TinyBackbone())
    options: dict[str, Any] = {"num_stages": 2, "num_classes": 80, "class_agnostic_masks": True, "nms_threshold": 0.6}
    return lively(QueryInst(TinyBackbone(), queries, **options, **NARROW))


def with_all_options() -> QueryInst:
    """Learned queries, a track head that reads RoI features, a mask head that reads the one before it."""
    torch.manual_seed(0)
    track_head = TrackHead(32, 16, roi_size=7)
    return lively(
        QueryInst(
            TinyBackbone(), LearnedQueries(8, 32), num_stages=2, num_classes=4, mask_flow=True, track_head=track_head, **NARROW
        )
    )


def lively(model: QueryInst) -> QueryInst:
    """With class scores that differ and batch norms as after a training, in eval mode."""
    torch.manual_seed(2)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
        norm.running_var.uniform_(0.7, 1.4)  # type: ignore[union-attr]
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
    return like_the_default()


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


@pytest.fixture(scope="module")
def loaded(exported: Callable[[str], Path]) -> Callable[[str], ExportedModel]:
    """The same, read once."""
    return functools.cache(lambda kind: load_exported(exported(kind), device="cpu"))


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_any_size_and_batch(model: QueryInst, loaded: Callable[[str], ExportedModel], kind: str) -> None:
    other = loaded(kind)
    assert isinstance(other, ImageModel)
    assert other.info == model.info
    for images in (frames((120, 200)), frames((120, 200), (200, 120), (128, 128))):
        for min_score in (0.0, 0.4, 1.0):
            assert_same(other.predict(images, min_score=min_score), model.predict(images, min_score=min_score))


def test_another_short_side(model: QueryInst, exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    images = frames((120, 200))
    with monkeypatch.context() as patch:
        patch.setattr(model, "preprocess", model.preprocess.resized(192))
        expected = model.predict(images)
    assert_same(load_model(exported("onnx"), device="cpu", size=192).predict(images), expected)


def test_pictures_that_the_network_cannot_take(loaded: Callable[[str], ExportedModel], monkeypatch: pytest.MonkeyPatch) -> None:
    other = loaded("torch")
    monkeypatch.setattr(other, "preprocess", other.preprocess.resized(32))
    with pytest.raises(UserError, match="does not run on"):
        other.predict(frames((40, 40)))


def test_what_is_left_out_of_graphs(exported: Callable[[str], Path]) -> None:
    """Batch norms, mask heads that only learn, loops over bags, operations of one kind of processor."""
    need_onnx()
    import onnx

    names = {node.op_type for node in onnx.load(exported("onnx")).graph.node}
    assert "MatMul" in names
    assert not names & {"BatchNormalization", "Loop", "SequenceEmpty"}
    with zipfile.ZipFile(exported("torch")) as archive:
        (graph,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(GRAPH))
    assert "torch.ops.aten.embedding_bag" in graph
    assert "mask_heads_0_" in graph
    assert not [name for name in ("batch_norm", "mask_heads_1_", "mkldnn") if name in graph]


@pytest.mark.parametrize("kind", [pytest.param("onnx", marks=pytest.mark.slow), "torch"])
def test_one_size_and_a_batch_of_two(tmp_path: Path, kind: str) -> None:
    if kind == "onnx":
        need_onnx()
    model = with_all_options()
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


def test_an_exported_model_does_not_learn(loaded: Callable[[str], ExportedModel]) -> None:
    with pytest.raises(UserError, match="cannot be trained"):
        loaded("torch").loss(None, None)


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
