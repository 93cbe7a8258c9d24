"""The command line itself: help, unknown commands, and errors as one line."""

from types import SimpleNamespace

import cv2
import pytest
import torch
from command_line import exit_code

from queryinst_vis import __version__
from queryinst_vis.cli import main as main_module
from queryinst_vis.cli.main import COMMANDS, main
from queryinst_vis.errors import UserError


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]):
    assert exit_code(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]):
    assert exit_code(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("command", ["track", "segment"])
def test_help_of_a_command(command: str, capsys: pytest.CaptureFixture[str]):
    assert exit_code([command, "--help"]) == 0
    assert f"queryinst-vis {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["trak"], ["--nonsense"]])
def test_no_such_command_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert exit_code(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize(
    ("command", "needed"), [("test", "config, weights"), ("train", "config"), ("browse", "config"), ("synthesize", "OUT")]
)
def test_settings_are_not_among_what_is_missing(command: str, needed: str, capsys: pytest.CaptureFixture[str]):
    assert exit_code([command]) == 2
    assert (
        capsys.readouterr().err == f"error: the following arguments are required: {needed} (see queryinst-vis {command} --help)\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (UserError("the file\nis odd"), 2, "error: the file is odd"),
        (PermissionError(13, "Permission denied", "a.mp4"), 2, "error: a.mp4: Permission denied"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (MemoryError(), 2, "a smaller --size"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 67507200000 bytes."),
            2,
            "out of memory",
        ),
        (cv2.error("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"), 2, "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), 2, "out of memory"),
        (KeyboardInterrupt(), 130, "error: stopped"),
        (ModuleNotFoundError("No module named 'av'", name="av"), 2, "pip install av"),
        (ModuleNotFoundError("No module named 'mmcv'", name="mmcv"), 2, "pip install mmcv-lite"),
        (ImportError("libGL.so.1: cannot open shared object file", name=None), 2, "libgl1"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    error: BaseException, code: int, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fail(name: str) -> SimpleNamespace:
        raise error

    monkeypatch.setattr(main_module, "import_module", fail)
    assert main(["track"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


@pytest.mark.parametrize(
    "error",
    [ModuleNotFoundError("No module named 'queryinst_vis.gone'", name="queryinst_vis.gone"), RuntimeError("shapes are gone")],
)
def test_our_own_faults_are_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch):
    def fail(name: str) -> SimpleNamespace:
        raise error

    monkeypatch.setattr(main_module, "import_module", fail)
    with pytest.raises(type(error), match="gone"):
        main(["track"])
