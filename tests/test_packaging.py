"""The wheel as a stranger gets it: what it carries, and whether it works alone, outside the clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest

USER_CONFIG = """
from mmengine.config import read_base

with read_base():
    from queryinst_vis.configs.queryinst_r50_12e_coco import *

epochs = 3
"""


@pytest.fixture(scope="module")
def wheel(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the clone, as building leaves files behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(repo_root / name, source)
    for name in ("queryinst_vis", "configs"):
        shutil.copytree(repo_root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(source),
        ".",
    ]
    subprocess.run(command, cwd=source, check=True)
    (built,) = source.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of commands of an environment that has the wheel, and of the environment the tests run in only the dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    install = ["--python", str(next(scripts.glob("python*"))), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    own_packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder)}))
    # A folder named in a .pth file is searched, but .pth files in it are not read: an editable install there stays out.
    (own_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scripts


def run(scripts: Path, *command: str, cwd: Path) -> str:
    """Standard output; PYTHONPATH and the user's own packages are out of sight."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"PYTHONNOUSERSITE": "1"}
    program, *arguments = command
    done = subprocess.run([str(scripts / program), *arguments], cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_carries_configs_and_weights_and_nothing_of_tests(wheel: Path, repo_root: Path):
    names = zipfile.ZipFile(wheel).namelist()
    configs = {
        f"queryinst_vis/configs/{p.relative_to(repo_root / 'configs').as_posix()}" for p in repo_root.glob("configs/**/*.py")
    }
    weights = {p.relative_to(repo_root).as_posix() for p in repo_root.glob("queryinst_vis/weights/*.safetensors")}
    assert configs
    assert weights
    assert configs | weights <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"queryinst_vis"}
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_wheel_is_small(wheel: Path):
    assert wheel.stat().st_size < 20e6


def test_installed_package_is_not_the_clone(installed: Path, tmp_path: Path, repo_root: Path):
    found = run(installed, "python", "-c", "import queryinst_vis; print(queryinst_vis.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.parent)
    assert not Path(found.strip()).is_relative_to(repo_root)


def test_installed_command_tracks_a_video(installed: Path, tmp_path: Path):
    write_video(tmp_path / "tiny.mp4")
    run(installed, "queryinst-vis", "track", "tiny.mp4", "--json", "tracks.json", "--device", "cpu", cwd=tmp_path)
    assert (tmp_path / "tiny_tracked.mp4").stat().st_size > 0
    assert (tmp_path / "tracks.json").stat().st_size > 0


def test_config_outside_the_clone_inherits_one_of_ours(installed: Path, tmp_path: Path):
    (tmp_path / "mine.py").write_text(USER_CONFIG)
    code = "from queryinst_vis.config import load_config; print(load_config('mine.py').epochs)"
    assert run(installed, "python", "-c", code, cwd=tmp_path).split() == ["3"]


def write_video(path: Path, *, num_frames: int = 5) -> None:
    """A bright square moving over grey."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(num_frames):
            image = np.full((64, 96, 3), 90, np.uint8)
            image[20:40, 10 + 8 * index : 30 + 8 * index] = 230
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
