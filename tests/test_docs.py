"""The documents: their code runs, their links lead somewhere, and what they name exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from blobs import BlobModel, disc_image, write_video

import queryinst_vis
from queryinst_vis.cli.main import main
from queryinst_vis.masks import BitMasks
from queryinst_vis.models import Preprocess
from queryinst_vis.registry import DATASETS, MODELS, TRACKERS
from queryinst_vis.structures import Instances, Targets

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def run_document() -> Iterator[Any]:
    """Runs all Python of a document, gives its names, and takes back what it registered."""
    before = [(registry, dict(registry.module_dict)) for registry in (MODELS, TRACKERS, DATASETS)]

    def run(name: str) -> dict[str, Any]:
        names: dict[str, Any] = {"__name__": "document"}
        for block in python_blocks(ROOT / name):
            exec(compile(block, name, "exec"), names)
        return names

    yield run
    for registry, modules in before:
        registry.module_dict.clear()
        registry.module_dict.update(modules)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path):
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_documents_is_python(document: Path):
    for block in python_blocks(document):
        compile(block, document.name, "exec")


def command_lines() -> list[tuple[str, list[str]]]:
    """Every `queryinst-vis COMMAND ...` in a code block of a document: the command and its other words."""
    lines = [line for path in DOCUMENTS for line in path.read_text(encoding="utf-8").splitlines()]
    words = [line.split("#")[0].split() for line in lines if line.startswith("queryinst-vis ")]
    return [(command, rest) for _, command, *rest in words]


@pytest.mark.parametrize("command", sorted({command for command, _ in command_lines()}))
def test_options_in_documents_exist(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    used = {word for other, rest in command_lines() if other == command for word in rest if word.startswith("--")}
    assert used <= known


def test_configs_and_models_in_documents_exist():
    named = {word for _, rest in command_lines() for word in rest if re.fullmatch(r"queryinst_\w+", word)}
    assert named
    assert named <= {path.stem for path in ROOT.glob("configs/*.py")}


def test_names_that_readme_imports_exist():
    (statement,) = re.findall(r"^from queryinst_vis import .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    exec(statement, {})


def test_model_of_the_page_predicts_and_learns(run_document):
    model = run_document("docs/adding_a_model.md")["BrightSpot"](preprocess=Preprocess(short=32, long=64)).eval()
    dark, spot = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64, 3), np.uint8)
    spot[10:20, 30:50] = 255
    nothing, found = model.predict([dark, spot])
    assert len(nothing) == 0
    assert len(found) == 1
    assert found.masks.iou(BitMasks(torch.from_numpy(spot[None, ..., 0] > 0))).item() > 0.8

    batch = model.preprocess([spot, spot])
    mask = torch.zeros(1, 32, 43, dtype=torch.bool)
    targets = [
        Targets(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0]), masks=BitMasks(mask)),
        Targets(torch.zeros(0, 4), torch.zeros(0)),
    ]
    model.loss(batch, targets)["loss_mask"].backward()
    assert model.threshold.grad.abs() > 0


def test_tracker_of_the_page_follows(run_document):
    tracker = run_document("docs/adding_a_tracker.md")["NearestTracker"]()

    def frame(*lefts: float) -> Instances:
        boxes = torch.tensor([[x, 0, x + 10, 10] for x in lefts]).reshape(-1, 4)
        return Instances((20, 400), boxes, torch.full((len(lefts),), 0.9), torch.zeros(len(lefts), dtype=torch.int64))

    assert tracker.update(frame(0, 100), time=0.0).track_ids.tolist() == [1, 2]
    assert tracker.update(frame(110, 12, 300), time=0.1).track_ids.tolist() == [2, 1, 3]
    assert tracker.update(frame(), time=0.2).track_ids.tolist() == []
    assert tracker.update(frame(300), time=9.0).track_ids.tolist() == [4]


def test_dataset_of_the_page_gives_the_same_sample_for_the_same_key(run_document):
    names = run_document("docs/adding_a_dataset.md")
    dataset = names["SquaresDataset"](3, transforms=[names["RandomFlip"]()])
    key = names["SampleKey"](seed=1, epoch=2, index=0)
    assert torch.equal(dataset[key].image, dataset[key].image)
    assert dataset[key].targets.masks.areas().tolist() == [256]
    assert dataset.aspect_ratios.tolist() == [1.0] * 3


def test_program_of_the_page_tracks_and_writes(run_document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    images = [disc_image((20 + 3 * index, 40, 12, (220, 30, 30))) for index in range(8)]
    write_video(tmp_path / "in.mp4", images, sound="aac")
    model = BlobModel().eval()
    model.info.classes = ("person", *model.info.classes[1:])
    monkeypatch.setattr("queryinst_vis.checkpoint.load_model", lambda: model)
    monkeypatch.delitem(vars(queryinst_vis), "load_model", raising=False)
    names = run_document("docs/howto/python.md")
    assert names["report"].num_frames == len(images)
    assert names["visitors"].num_born == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.mp4", "people.mp4", "people.csv"}
    with names["open_video"]("out.mp4") as video:
        assert len(list(video)) == len(images)
