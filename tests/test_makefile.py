"""What the README promises of `make` and of the installation, without installing anything."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt" or shutil.which("make") is None, reason="needs make and a POSIX shell")


def fake(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def install(repo_root: Path, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """tools/install.sh in an empty folder; programs put into tmp_path are found first."""
    search = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    variables = {k: v for k, v in os.environ.items() if k != "TORCH_INDEX_URL"} | {"PATH": search} | environment
    command = ["sh", str(repo_root / "tools" / "install.sh")]
    return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)


def python_that_says(version: str, *, is_new_enough: bool, has_venv: bool = True) -> str:
    answers = {
        "version_info[:2]": f"echo {version}",
        "< (3, 11)": f"exit {int(not is_new_enough)}",
        "ensurepip": f"exit {int(not has_venv)}",
    }
    cases = "\n".join(f"*'{question}'*) {answer};;" for question, answer in answers.items())
    return f'case "$2" in\n{cases}\n*) exit 0;;\nesac'


def assert_one_error_line(done: subprocess.CompletedProcess[str], text: str) -> None:
    assert done.returncode == 2
    assert re.fullmatch(rf"error: .*{re.escape(text)}.*\n", done.stderr), done.stderr
    assert done.stdout == ""


def test_install_without_python_says_so(repo_root: Path, tmp_path: Path):
    assert_one_error_line(install(repo_root, tmp_path, PYTHON="python-nowhere"), "no 'python-nowhere' here")


def test_install_with_old_python_names_version_and_remedy(repo_root: Path, tmp_path: Path):
    fake(tmp_path, "old", python_that_says("3.10", is_new_enough=False))
    done = install(repo_root, tmp_path, PYTHON="old")
    assert_one_error_line(done, "Python 3.10, 3.11 or newer is needed; name another: make PYTHON=")


def test_install_without_venv_module_names_the_package(repo_root: Path, tmp_path: Path):
    fake(tmp_path, "bare", python_that_says("3.12", is_new_enough=True, has_venv=False))
    assert_one_error_line(install(repo_root, tmp_path, PYTHON="bare"), "apt install python3.12-venv")


def test_install_on_full_disk_says_how_much_is_needed(repo_root: Path, tmp_path: Path):
    fake(tmp_path, "good", python_that_says("3.12", is_new_enough=True))
    fake(tmp_path, "df", "echo header; echo /dev/x 100 50 1048576 50% /")
    assert_one_error_line(install(repo_root, tmp_path, PYTHON="good"), "GB of disk are needed here, 1 GB are free")


@pytest.mark.parametrize("index", ["", "https://example.org/whl/cpu"])
def test_install_announces_itself_and_takes_torch_from_the_index_named(repo_root: Path, tmp_path: Path, index: str):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    fake(tmp_path / ".venv" / "bin", "python", 'echo "ran $*"')
    fake(tmp_path, "good", python_that_says("3.12", is_new_enough=True))
    done = install(repo_root, tmp_path, PYTHON="good", TORCH_INDEX_URL=index)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Installing into .venv: a download of about [\d.]+ GB, \d GB on disk, .* minutes", done.stdout)
    assert (f"install --index-url {index} torch torchvision" in done.stdout) == bool(index)
    assert "install --editable .[dev,tensorboard]" in done.stdout


@pytest.mark.parametrize("target", ["demo", "test", "lint"])
def test_targets_install_first_and_only_when_needed(repo_root: Path, tmp_path: Path, target: str):
    for name in ("Makefile", "setup.py", "pyproject.toml"):
        shutil.copy(repo_root / name, tmp_path)

    def plan() -> str:
        return subprocess.run(["make", "-n", target], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert plan().count("tools/install.sh") == 1
    stamp = tmp_path / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    assert "install.sh" not in plan()
    os.utime(stamp, (0, 0))  # older than setup.py
    assert "install.sh" in plan()
