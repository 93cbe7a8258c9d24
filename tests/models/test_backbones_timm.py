"""Networks of timm as backbones: which can be, what is said of the others, and that no download comes unasked."""

import json
import socket
import sys
from typing import Any

import pytest
import torch
from torch import nn

from queryinst_vis.checkpoint import load_model, save_weights
from queryinst_vis.config import build, build_from_json
from queryinst_vis.errors import UserError
from queryinst_vis.models import LearnedQueries, QueryInst, TimmBackbone
from queryinst_vis.safe_load import CheckpointError

SIZES = {"num_stages": 1, "embed_dim": 16, "num_heads": 2, "ffn_dim": 16, "dynamic_dim": 4, "num_mask_convs": 1}
NET = "test_resnet"  # timm's own for tests


def model_config(**backbone: Any) -> dict[str, Any]:
    queries = {"type": LearnedQueries, "num_queries": 5, "embed_dim": 16}
    return {"type": QueryInst, "backbone": {"type": TimmBackbone, **backbone}, "queries": queries, "num_classes": 3, **SIZES}


@pytest.fixture
def timm() -> Any:
    return pytest.importorskip("timm")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def asked(timm: Any, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """`pretrained` of each network that timm is asked for; weights "downloaded" are all one half."""
    create, seen = timm.create_model, []

    def fake(name: str, *, pretrained: bool, **options: Any) -> nn.Module:
        seen.append(pretrained)
        net = create(name, pretrained=False, **options)
        if pretrained:
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter.fill_(0.5)
        return net

    monkeypatch.setattr(timm, "create_model", fake)
    return seen


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError) as error:
        build({"type": TimmBackbone, "name": "resnet18"})
    assert one_line(error) == "TimmBackbone needs timm, which is not installed: pip install queryinst-vis[timm]"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("convnext_tinny", "timm has no model 'convnext_tinny'; the nearest is 'convnext_tiny'"),
        ("convnext_tinny.fb_in1k", "the nearest is 'convnext_tiny'"),
        ("", "timm has no model ''"),
        (18, "TimmBackbone: name=18: must be a text"),
        ("hf-hub:timm/resnet18.a1_in1k", "the nearest is 'resnet18"),
        ("local-dir:/tmp", "timm has no model 'local-dir:/tmp'"),
        ("resnet18.nobodys", "timm's resnet18.nobodys cannot be a backbone: Invalid pretrained tag"),
        ("vit_tiny_patch16_224", "cannot be a backbone: it has maps at stride 16, needed are 4, 8, 16, 32"),
        ("swin_tiny_patch4_window7_224", "it takes images of certain sizes only (Input height (96)"),
        ("botnet26t_256", "it takes images of certain sizes only"),
    ],
)
@pytest.mark.usefixtures("timm", "no_network")
def test_what_cannot_be_a_backbone_is_said_in_one_line(name: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        build({"type": TimmBackbone, "name": name})
    assert said in one_line(error)


def test_a_network_without_feature_maps_is_said_in_one_line(timm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_features(**_: Any) -> nn.Module:
        raise RuntimeError("features_only not implemented for Vision Transformer models.\nSee ...")

    registry = sys.modules["timm.models._registry"]
    monkeypatch.setitem(registry._model_entrypoints, "flat_net", no_features)
    with pytest.raises(UserError) as error:
        TimmBackbone("flat_net")
    assert one_line(error) == (
        "timm's flat_net cannot be a backbone: features_only not implemented for Vision Transformer models."
    )


def test_weights_come_only_when_asked_for(asked: list[bool]) -> None:
    assert not all((p == 0.5).all() for p in TimmBackbone(NET).parameters())
    assert not any(asked)
    assert all((p == 0.5).all() for p in TimmBackbone(NET, pretrained=True).parameters())
    assert asked.count(True) == 1
    with torch.device("meta"):  # has no room for them
        TimmBackbone(NET, pretrained=True)
    assert asked.count(True) == 1


@pytest.mark.usefixtures("no_network")
def test_a_weights_file_never_starts_a_download(asked: list[bool], tmp_path: Any) -> None:
    model = build(model_config(name=NET, pretrained=True)).eval()
    assert asked.count(True) == 1
    assert model.architecture["backbone"]["pretrained"] is True
    save_weights(model, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors", device="cpu")
    build_from_json(json.loads(json.dumps(model.architecture)))
    assert asked.count(True) == 1
    assert all(p.equal(q) for p, q in zip(loaded.parameters(), model.parameters(), strict=True))


@pytest.mark.usefixtures("timm", "no_network")
def test_a_weights_file_can_name_nothing_but_timms_networks() -> None:
    architecture = build(model_config(name=NET)).architecture
    architecture["backbone"]["name"] = "hf-hub:somebody/something"
    with pytest.raises(UserError, match="timm has no model 'hf-hub:somebody/something'"):
        build_from_json(architecture)


def test_weights_file_without_timm_names_the_extra(timm: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save_weights(build(model_config(name=NET)), tmp_path / "a.safetensors")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(CheckpointError) as error:
        load_model(tmp_path / "a.safetensors", device="cpu")
    assert "pip install queryinst-vis[timm]" in one_line(error)


def test_weights_that_cannot_be_had_are_said_in_one_line(timm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def offline(name: str, *, pretrained: bool, **options: Any) -> nn.Module:
        if pretrained:
            raise OSError("We couldn't connect to the hub.\nCheck your connection.")
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(UserError) as error:
        TimmBackbone(NET, pretrained=True)
    assert one_line(error) == f"timm's {NET} has no weights to be had: We couldn't connect to the hub."
