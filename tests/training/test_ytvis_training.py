"""From generated videos through a training to measured results and a submission, by the command line."""

import json
import zipfile
from pathlib import Path

import pytest

from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.main import main
from queryinst_vis.data.synthetic import CLASSES

CONFIG = str(Path(__file__).resolve().parent / "queryinst_vis_toy.py")


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of four frames."""
    folder = tmp_path_factory.mktemp("videos") / "data"
    assert main(["synthesize", str(folder), "--videos", "3", "--frames", "4", "--size", "64x96", "--seed", "1"]) == 0
    return folder


@pytest.fixture(scope="module")
def weights(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a training of one epoch, with a validation."""
    work_dir = tmp_path_factory.mktemp("run")
    assert main(["train", CONFIG, f"data_root={data_root}", "--work-dir", str(work_dir)]) == 0
    return work_dir / "best.safetensors"


def test_weights_say_how_their_embeddings_compare(weights: Path) -> None:
    model = load_model(weights, device="cpu")
    assert model.info.similarity == "dot"
    assert model.info.tracker == "masktrack"
    assert model.info.classes == CLASSES
    assert model.track_head is not None


def test_a_measurement_repeats_that_of_the_training(weights: Path, data_root: Path, capsys: pytest.CaptureFixture) -> None:
    best = json.loads((weights.parent / "best.json").read_text())
    capsys.readouterr()
    assert main(["test", CONFIG, str(weights), f"data_root={data_root}"]) == 0
    rows = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("ytvis/"))
    assert float(rows["ytvis/AP"]) == pytest.approx(best["value"], abs=1e-4)
    assert {"ytvis/AP50", "ytvis/AR10", "ytvis/HOTA", "ytvis/IDSW"} <= set(rows)


def test_a_submission_holds_what_was_measured(
    weights: Path, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    videos, images = str(data_root / "instances.json"), str(data_root / "JPEGImages")
    output = tmp_path / "submission.zip"
    arguments = [CONFIG, str(weights), "--videos", videos, "--images", images, "--output", str(output)]
    assert main(["submit", *arguments]) == 0
    assert main(["check-submission", str(output), "--videos", videos]) == 0
    with zipfile.ZipFile(output) as archive:
        assert archive.namelist() == ["results.json"]
    assert main(["test", CONFIG, str(weights), f"data_root={data_root}", "--output", str(tmp_path / "measured")]) == 0
    measured, submitted = (tmp_path / name for name in ("measured.json", "submitted.json"))
    assert main(["evaluate", videos, str(tmp_path / "measured.results.json"), "--json", str(measured)]) == 0
    assert main(["evaluate", videos, str(output), "--json", str(submitted)]) == 0
    assert measured.read_text() == submitted.read_text()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["info.similarity=cosine"], "info.similarity='cosine', but the track_head's embeddings are made for 'dot'"),
        (["model.track_head=None", "info.similarity=cosine"], "the training data are clips, but the model has no track_head"),
        (["tracker.type=nearest"], "no tracker is called 'nearest'"),
        (["tracker.patients=1"], "patients"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(
    data_root: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", CONFIG, f"data_root={data_root}", *options, "--work-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
