"""A model that needs no weights, and an empty current folder."""

from pathlib import Path

import pytest
from blobs import BlobModel
from command_line import load_instead


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> BlobModel:
    """Instead of weights."""
    model = BlobModel().eval()
    load_instead(monkeypatch, model)
    return model


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
