"""Command lines as they are typed, and a model without weights for them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from queryinst_vis.cli.main import main
from queryinst_vis.models.base import ImageModel


def exit_code(arguments: Sequence[str]) -> int:
    """Of a command line, of one with a mistake in its options too."""
    try:
        return main(arguments)
    except SystemExit as end:  # argparse
        return int(end.code or 0)


def refusal(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that says why a command line is not done."""
    assert exit_code(arguments) == 2
    return error_line(capsys)


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """All that a command said on stderr."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def load_instead(patch: pytest.MonkeyPatch, model: ImageModel) -> None:
    """Whatever weights a command loads, they are this model."""
    patch.setattr("queryinst_vis.cli.model_options.load_model", lambda *args, **options: model)


def names(folder: Path) -> list[str]:
    """Of what is in a folder."""
    return sorted(path.name for path in folder.iterdir())
