"""Names of weights, and where each leads."""

import re
from pathlib import Path

import pytest
import torch

from queryinst_vis import model_zoo
from queryinst_vis.config import build, load_config
from queryinst_vis.model_zoo import BACKBONES, PUBLISHED, weights_path
from queryinst_vis.models.backbones import ResNet
from queryinst_vis.models.queries import LearnedQueries
from queryinst_vis.models.queryinst import QueryInst
from queryinst_vis.safe_load import CheckpointError


@pytest.mark.parametrize("url", [*PUBLISHED.values(), *BACKBONES.values()])
def test_urls_carry_their_hash(url):
    assert re.fullmatch(r"https://download\.(openmmlab\.com|pytorch\.org)/[\w./-]+-[0-9a-f]{8}\.pth", url)


@pytest.mark.parametrize("name", PUBLISHED)
def test_config_of_a_published_name_fits_its_file(name):
    """By what the name says: depth of the backbone and number of queries; everything else is common to all."""
    depth, num_queries = 101 if "_r101_" in name else 50, 300 if "_300q_" in name else 100
    with torch.device("meta"):
        model = build(load_config(name).model)
        expected = QueryInst(ResNet(depth), LearnedQueries(num_queries, 256), num_classes=80)
    assert {n: t.shape for n, t in model.state_dict().items()} == {n: t.shape for n, t in expected.state_dict().items()}
    assert model.max_detections == num_queries


def test_published_name_is_downloaded(monkeypatch):
    monkeypatch.setattr(model_zoo, "download", lambda url: Path("/cache") / url.rpartition("/")[2])
    assert weights_path("resnet50") == Path("/cache/resnet50-0676ba61.pth")
    assert weights_path("queryinst_r50_12e_coco").name.endswith("-5a8f1998.pth")


@pytest.mark.parametrize("name", ["a.safetensors", "folder/a", "a.pth", "/nowhere"])
def test_paths_are_not_taken_for_names(name):
    assert weights_path(name) == Path(name)


def test_file_without_suffix(tmp_path):
    (tmp_path / "weights").touch()
    assert weights_path(tmp_path / "weights") == tmp_path / "weights"


@pytest.mark.parametrize(("name", "said"), [("resnet51", "did you mean resnet5"), ("zzz", "names are: default, queryinst_r50")])
def test_unknown_name_says_what_there_is(name, said):
    with pytest.raises(CheckpointError, match=re.escape(said)):
        weights_path(name)
