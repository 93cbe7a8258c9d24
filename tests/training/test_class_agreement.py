"""Every way in which model, data, weights and metric can speak of different classes ends in one line, or in a note."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from own_data import write_own_data

from queryinst_vis.checkpoint import save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.config import build, load_config
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel
from queryinst_vis.runner import build_dataset, build_model, build_recipe, build_runner
from queryinst_vis.training.data_notes import data_notes

CONFIG = """
from mmengine.config import read_base

with read_base():
    from queryinst_vis.configs.base.own_data import *

from torch.optim import AdamW

from queryinst_vis.models import LearnedQueries, Preprocess, QueryInst, ResNet
from queryinst_vis.training.schedule import Cosine

model = dict(
    type=QueryInst, backbone=dict(type=ResNet, depth=18), queries=dict(type=LearnedQueries, num_queries=4, embed_dim=16),
    num_classes="{num_classes}", num_stages=1, embed_dim=16, num_heads=2, ffn_dim=16, dynamic_dim=4, num_mask_convs=1,
    preprocess=dict(type=Preprocess, short=64, long=96),
)
classes = ("bolt", "nut", "washer")
optimizer = dict(type=AdamW, lr=1e-4)
schedule = dict(type=Cosine, warmup_iters=0)
batch_size = base_batch_size = 2
iterations = 1
num_workers = 0
"""


CROWDED = (
    "warning: odd/train.json: 0.png has 7 objects, but the model trains 4 queries: the others are passed over; "
    "raise model.queries.num_queries, or cut such images"
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_own_data(tmp_path / "my_data")
    (tmp_path / "own.py").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own.py"


def three(names: str = "bolt, nut, washer") -> str:
    return f"{names}; the model's are bolt, nut, washer: "


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.num_classes=80", "model.num_classes=80, but the classes are bolt, nut, washer, 3 in all"),
        (
            "train_dataset.classes=['nut','bolt','washer']",
            "are nut, bolt, washer; the config's classes are bolt, nut, washer: ",
        ),
        ("train_dataset.classes=['nut','bolt']", "model.num_classes=3, but the classes are nut, bolt, 2 in all"),
        (
            "val_dataset.classes=['nut','bolt']",
            "val_dataset.classes are nut, bolt; the model's are bolt, nut, washer: 2 and not 3",
        ),
        ("val_metric.classes=['nut','bolt']", "val_metric.classes are nut, bolt; the model's are bolt, nut, washer: 2 and not 3"),
        ("val_metric.classes=['washer','nut','bolt']", three("val_metric.classes are washer, nut, bolt") + "in another order"),
        ("val_metric.classes=['bolt','nut','x']", three("val_metric.classes are bolt, nut, x") + "as many, but others"),
        ("classes=['cat','dog']", "train.json: has none of the classes 'cat', 'dog'; its categories are 'bolt', 'nut', 'washer'"),
        ("classes=['bolt','dog']", "train.json: has no category 'dog', only ['bolt', 'nut', 'washer']"),
        ("classes=bolt", "classes='bolt': must be a list of names"),
        ("classes=['bolt','bolt']", "classes must be a list of different names, got ['bolt', 'bolt']"),
    ],
)
def test_a_disagreement_is_one_line(config: Path, override: str, message: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", str(config), override]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_classes_of_info_count_too(config: Path) -> None:
    config.write_text(CONFIG + "\nfrom queryinst_vis.models import ModelInfo\n\ninfo = dict(type=ModelInfo, classes=('a',))\n")
    with pytest.raises(UserError, match=r"model\.num_classes=3, but the classes are a, 1 in all"):
        build_runner(load_config(config), "run")


@pytest.fixture
def weights(config: Path) -> Callable[[list[str]], tuple[Path, ImageModel]]:
    """weights(classes) -> a file of a model of these classes, and the model."""

    def make(classes: list[str]) -> tuple[Path, ImageModel]:
        model = build_model(build_recipe(load_config(config, [f"classes={classes}", "seed=9"])))
        path = config.parent / "other.safetensors"
        save_weights(model, path)
        return path, model

    return make


def class_rows(model: ImageModel) -> dict[str, torch.Tensor]:
    return {name: p for name, p in model.named_parameters() if "fc_cls" in name or "mask_heads.0.logits" in name}


def test_weights_of_another_number_of_classes(config: Path, weights: Callable, capsys: pytest.CaptureFixture) -> None:
    path, _ = weights(["a", "b"])
    assert main(["train", str(config), f"load_from={path}"]) == 2
    error = capsys.readouterr().err
    assert "other.safetensors knows 2 classes, the model has 3" in error
    assert "allow_shape_mismatch=True" in error
    assert error.count("\n") == 1


def test_classes_of_the_same_name_start_as_the_weights_know_them(
    config: Path, weights: Callable, capsys: pytest.CaptureFixture
) -> None:
    path, other = weights(["washer", "a", "b", "bolt"])
    model = build_model(build_recipe(load_config(config, [f"load_from={path}", "allow_shape_mismatch=True"])))
    assert "classes of the same name, which start as the weights know them: bolt, washer" in capsys.readouterr().out
    fresh = class_rows(build_model(build_recipe(load_config(config))))
    theirs = class_rows(other)
    assert len(theirs) == 4  # weights and biases of classes and of masks
    for name, rows in class_rows(model).items():
        assert torch.equal(rows[[0, 2]], theirs[name][[3, 0]])
        assert torch.equal(rows[1], fresh[name][1])


def test_weights_of_as_many_other_classes_are_noted(config: Path, weights: Callable, capsys: pytest.CaptureFixture) -> None:
    path, other = weights(["a", "b", "c"])
    model = build_model(build_recipe(load_config(config, [f"load_from={path}"])))
    line = "the weights know a, b, c, the config has bolt, nut, washer: each starts as the one in its place"
    assert capsys.readouterr().out.count(line) == 1
    assert all(torch.equal(rows, class_rows(other)[name]) for name, rows in class_rows(model).items())


def test_weights_of_as_many_classes_in_another_order(config: Path, weights: Callable, capsys: pytest.CaptureFixture) -> None:
    """They started as the one in their place."""
    path, other = weights(["washer", "bolt", "nut"])
    model = build_model(build_recipe(load_config(config, [f"load_from={path}"])))
    assert "classes of the same name, which start as the weights know them: bolt, nut, washer" in capsys.readouterr().out
    assert all(torch.equal(rows, class_rows(other)[name][[1, 2, 0]]) for name, rows in class_rows(model).items())


def test_one_of_as_many_classes_was_renamed_and_one_is_new(
    config: Path, weights: Callable, capsys: pytest.CaptureFixture
) -> None:
    path, other = weights(["washer", "screw nut", "gear"])
    model = build_model(build_recipe(load_config(config, [f"load_from={path}"])))
    lines = capsys.readouterr().out
    assert "classes that start as the one in their place: nut as screw nut\n" in lines
    assert "classes that start fresh: bolt\n" in lines
    fresh, theirs = class_rows(build_model(build_recipe(load_config(config)))), class_rows(other)
    for name, rows in class_rows(model).items():
        assert torch.equal(rows, torch.stack([fresh[name][0], theirs[name][1], theirs[name][0]]))


@pytest.mark.parametrize("told", [True, False])
def test_classes_of_a_file_that_does_not_name_them(config: Path, weights: Callable, told: bool) -> None:
    other = weights(["washer", "a"])[1]
    torch.save(other.state_dict(), "unnamed.pth")
    options = ["load_from=unnamed.pth", "allow_shape_mismatch=True", *(["load_classes=['washer','a']"] if told else [])]
    rows = class_rows(build_model(build_recipe(load_config(config, options))))
    fresh, theirs = class_rows(build_model(build_recipe(load_config(config)))), class_rows(other)
    assert all(torch.equal(rows[name][2], (theirs[name][0] if told else fresh[name][2])) for name in rows)
    assert all(torch.equal(rows[name][:2], fresh[name][:2]) for name in rows)


def test_weights_of_the_same_classes_say_nothing_of_them(config: Path, weights: Callable, capsys: pytest.CaptureFixture) -> None:
    path, _ = weights(["bolt", "nut", "washer"])
    build_model(build_recipe(load_config(config, [f"load_from={path}"])))
    assert "class" not in capsys.readouterr().out


def test_measuring_weights_of_other_classes(config: Path, weights: Callable, capsys: pytest.CaptureFixture) -> None:
    path, _ = weights(["nut", "bolt", "washer"])
    assert main(["test", str(config), str(path)]) == 2
    assert (
        "other.safetensors are nut, bolt, washer; the config's are bolt, nut, washer: in another order" in capsys.readouterr().err
    )


def remarks(config: Path, *overrides: str) -> list[str]:
    return build(load_config(config, overrides).train_dataset).remarks


def test_classes_nobody_asked_for_and_classes_without_objects(config: Path) -> None:
    path = Path("my_data/train.json")
    content = json.loads(path.read_text())
    content["categories"].append({"id": 9, "name": "screw"})
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] != 2]
    path.write_text(json.dumps(content))
    count = sum(a["category_id"] == 3 for a in content["annotations"])
    found = remarks(config, "classes=['bolt','nut','screw']")
    assert f"my_data/train.json: {count} objects of categories that are not among the classes, left out: 'washer'" in found
    assert "my_data/train.json: no object of 'nut', 'screw', so nothing can be learned of it" in found


@pytest.mark.parametrize(("keep", "what"), [(True, "learned as background"), (False, "left out")])
def test_images_without_objects(config: Path, keep: bool, what: str) -> None:
    dataset = build(load_config(config, [f"train_dataset.keep_empty={keep}"]).train_dataset)
    assert dataset.remarks == [f"my_data/train.json: 1 of 6 images show none of the classes, {what}"]
    assert dataset.object_counts.tolist() == [2] * 5 + [0] * keep


def test_a_training_without_any_object_is_refused(config: Path, capsys: pytest.CaptureFixture) -> None:
    write_own_data(Path("none"), num_empty=6)
    assert main(["train", str(config), "data_root=none"]) == 2
    assert "no image of at least 32 pixels shows any of the classes" in capsys.readouterr().err


def test_more_objects_than_queries_and_none_at_all_train_and_are_said_once(config: Path, capsys: pytest.CaptureFixture) -> None:
    write_own_data(Path("odd"), num_images=4, num_empty=2, crowd=7)
    options = ["data_root=odd", "val_dataset=None", "batch_size=1", "iterations=8", "log_every=1", "train_dataset.transforms=[]"]
    assert main(["train", str(config), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    wanted = [
        "odd/train.json: 2 of 4 images show none of the classes, learned as background",
        CROWDED,
    ]
    assert [lines.count(line) for line in wanted] == [1, 1]
    assert sum("warning" in line for line in lines) == 1
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines if "  loss " in line]
    assert len(losses) == 8
    assert torch.tensor(losses).isfinite().all()
    (log,) = Path("work_dirs/own").glob("*/*.log")
    assert [log.read_text().count(line) for line in wanted] == [1, 1]


def test_several_crowded_images_and_joined_datasets(config: Path) -> None:
    content = json.loads(Path("my_data/train.json").read_text())
    settings = load_config(config, ["model.queries.num_queries=1"])
    twice = build_dataset([settings.train_dataset, settings.train_dataset])
    model = build_model(build_recipe(settings))
    (empty, crowded) = data_notes(twice, model)
    assert "1 of 6 images" in empty
    assert f"0.png has {sum(a['image_id'] == 1 for a in content['annotations'])} objects (5 images have more than 1)" in crowded
