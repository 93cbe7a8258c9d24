"""Which files' code may run: configs of the package and those named by their path. Weights and what lies around never."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tiny_queryinst import change_architecture, tiny_model

from queryinst_vis import model_zoo
from queryinst_vis.checkpoint import CheckpointError, load_model, save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.config import ConfigError, load_config, shipped_configs
from queryinst_vis.evaluation.detection_cache import load_detections
from queryinst_vis.jobs.checkpoints import Checkpoints
from queryinst_vis.models import QueryInst

NAME = "queryinst_r50_36e_coco"
# What a program, an interpreter or a library might pick up from the current folder or from beside the weights.
BAIT = (
    "__init__.py",
    "config.py",
    "model.py",
    "model.safetensors.py",
    "model_config.py",
    "queryinst_vis.py",
    "queryinst_vis/__init__.py",
    "queryinst_vis/configs/__init__.py",
    f"queryinst_vis/configs/{NAME}.py",
    f"configs/{NAME}.py",
    f"{NAME}.py",
    NAME,
    "torch.py",
    "cv2.py",
    "numpy.py",
    "mmengine.py",
    "safetensors.py",
    "sitecustomize.py",
    "usercustomize.py",
    "timm.py",
    "setup.py",
    "conftest.py",
)


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """What exists once code of a file has run."""
    return tmp_path / "witness"


@pytest.fixture
def here(tmp_path: Path, witness: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, full of bait: Python files, and data files that look like sidecars."""
    folder = tmp_path / "here"
    for name in BAIT:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"open({str(witness)!r}, 'a').write({name!r})\nmodel = dict(type=print)\n")
    for name in ("model.pkl", "model.pth", "model.safetensors.index.json", "pytorch_model.bin", "preprocessor_config.json"):
        (folder / name).write_bytes(pickle.dumps(_Runs(witness)))
    monkeypatch.chdir(folder)
    return folder


class _Runs:
    """Unpickling it makes the witness."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch '{self.witness}'",)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, as a user starts it."""
    program = Path(sys.executable).with_name("queryinst-vis")
    if not program.exists():
        pytest.skip("needs the installed command")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=120, env=environment)


def test_weights_alone_run_nothing_of_what_lies_around(here: Path, witness: Path):
    save_weights(tiny_model(), here / "model.safetensors")
    cv2.imwrite("picture.png", np.zeros((64, 64, 3), np.uint8))
    done = run("segment", "picture.png", "--model", "model.safetensors", "--output", "drawn.png", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert (here / "drawn.png").exists()
    assert not witness.exists()


def test_the_bait_works(here: Path, witness: Path):
    """Else the test above would prove nothing."""
    subprocess.run([sys.executable, "-c", "import torch"], check=True, timeout=60)
    assert witness.read_text().startswith("torch.py")
    load_config(f"./{NAME}.py")
    assert witness.read_text().endswith(f"{NAME}.py")


def test_name_of_a_shipped_config_is_not_shadowed_by_files_in_the_current_folder(here: Path, witness: Path):
    """A file without a suffix went before the config of that name, also for `--model NAME` of published weights."""
    assert load_config(NAME).filename == str(shipped_configs()[NAME])
    assert load_config(NAME).model.type is QueryInst
    assert not witness.exists()


def test_published_weights_take_the_shipped_config(here: Path, witness: Path, monkeypatch: pytest.MonkeyPatch):
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, here / "published.pth")
    monkeypatch.setattr("queryinst_vis.checkpoint.weights_path", lambda name: here / "published.pth")
    assert NAME in model_zoo.PUBLISHED
    with pytest.raises(CheckpointError, match="nothing in it fits"):
        load_model(NAME, device="cpu")
    assert not witness.exists()


def test_base_of_a_config_is_ours_whatever_lies_in_the_current_folder(here: Path, witness: Path, tmp_path: Path):
    own = tmp_path / "own.py"
    base = f"with read_base():\n    from queryinst_vis.configs.{NAME} import *\n"
    own.write_text(f"from mmengine.config import read_base\n\n{base}\nseed = 7\n")
    assert load_config(own).to_dict()["seed"] == 7
    assert not witness.exists()


@pytest.mark.parametrize("name", ["queryinst_r50", "own_config", "here"])
def test_other_names_are_no_files(here: Path, witness: Path, name: str):
    (here / name).write_text((here / NAME).read_text())
    with pytest.raises(ConfigError, match=r"named by its path, .* and its code runs"):
        load_config(name)
    assert not witness.exists()


def test_file_named_by_its_path_is_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / NAME).write_text("seed = 11\n")
    (tmp_path / "own.py").write_text("seed = 12\n")
    monkeypatch.chdir(tmp_path)
    assert load_config(f"./{NAME}").seed == 11
    assert load_config("own.py").seed == 12


@pytest.mark.parametrize("command", ["train", "test", "analyze", "browse", "segment"])
def test_help_says_that_code_of_configs_runs(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "whose code runs" in text or "runs its code" in text


@pytest.mark.parametrize(
    "kind",
    ["os.system", "builtins.eval", "subprocess.Popen", "eval", "CocoDataset", "queryinst_vis.cli.main.main", 3, None, ["print"]],
)
@pytest.mark.parametrize("place", ["top", "inside"])
def test_architecture_in_weights_names_registered_models_only(tmp_path: Path, kind: Any, place: str):
    path = tmp_path / "model.safetensors"
    save_weights(tiny_model(), path)
    change_architecture(path, lambda parts: (parts if place == "top" else parts["backbone"]).update(type=kind))
    with pytest.raises(CheckpointError, match="no registered class"):
        load_model(path, device="cpu")


@pytest.mark.parametrize("is_zip", [True, False])
def test_command_does_not_run_code_of_a_pickle(tmp_path: Path, witness: Path, is_zip: bool, capsys: pytest.CaptureFixture[str]):
    path, picture = tmp_path / "evil.pth", tmp_path / "picture.png"
    torch.save({"state_dict": _Runs(witness)}, path, _use_new_zipfile_serialization=is_zip)
    cv2.imwrite(str(picture), np.zeros((64, 64, 3), np.uint8))
    for more in ([], ["--config", NAME]):
        assert main(["segment", str(picture), "--model", str(path), "--output", str(tmp_path / "out.png"), *more]) == 2
        assert "wants to call" in capsys.readouterr().err
    assert not witness.exists()


def test_stored_detections_and_states_of_jobs_do_not_run_code(tmp_path: Path, witness: Path):
    path = tmp_path / "a.detections"
    torch.save({"made_by": _Runs(witness), "frames": []}, path)
    with pytest.raises(ValueError, match="delete it"):
        load_detections(path, {})
    with Checkpoints(tmp_path / "out.resume", {"input": "a.mp4"}) as checkpoints:
        torch.save({"tracker": _Runs(witness)}, checkpoints.folder / "000001.state")
        assert checkpoints.numbers() == [1]
        assert checkpoints.load(1) is None
    assert not witness.exists()


def test_override_cannot_name_code(capsys: pytest.CaptureFixture[str]):
    for kind in ("os.system", "builtins.eval", "__import__"):
        assert main(["analyze", NAME, f"model.type={kind}"]) == 2
        assert "no registered class" in capsys.readouterr().err
