"""Swin Transformers of Microsoft, mmdetection and torchvision in our model."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from conversion_models import randomise, small_model
from torch import nn

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.conversion import from_our_names
from queryinst_vis.conversion.swin import by_channels, by_neighbours
from queryinst_vis.models.backbones.swin import Swin

DEPTHS = (2, 2, 6, 2)


@pytest.fixture(scope="module")
def swin() -> Swin:
    model = Swin(24, DEPTHS, (2, 3, 6, 12))
    randomise(model)
    return model


def test_merging_of_mmdetection_computes_the_same():
    """mmdetection unfolds 2 x 2 windows, Microsoft joins four strided maps."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 8)
    norm, reduction = nn.LayerNorm(12), nn.Linear(12, 5, bias=False)
    randomise(norm)
    theirs = reduction(norm(F.unfold(x, 2, stride=2).transpose(1, 2)))  # [B, 12 cells, 5]
    joined = torch.cat([x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)], dim=1).flatten(2).transpose(1, 2)
    ours = F.linear(
        F.layer_norm(joined, (12,), by_neighbours(norm.weight), by_neighbours(norm.bias)), by_neighbours(reduction.weight)
    )
    torch.testing.assert_close(ours, theirs)
    assert not torch.equal(by_neighbours(norm.weight), norm.weight)
    assert torch.equal(by_channels(by_neighbours(reduction.weight)), reduction.weight)


def test_index_of_position_biases(swin):
    """The buffer that other code bases store, as torchvision makes it."""
    theirs = from_our_names({f"backbone.{name}": tensor for name, tensor in swin.state_dict().items()}, "mmdet")
    indices = {name: tensor for name, tensor in theirs.items() if name.endswith("attn.w_msa.relative_position_index")}
    assert len(indices) == sum(DEPTHS)
    reference = torchvision.models.swin_transformer.ShiftedWindowAttention(24, [7, 7], [0, 0], 2).relative_position_index
    for index in indices.values():
        assert index.dtype == torch.int64
        assert torch.equal(index, reference.view(49, 49))


def _microsoft(swin: Swin, *, is_classifier: bool) -> dict[str, torch.Tensor]:
    """What Microsoft's files hold beside our tensors; a classifier has one last norm instead of four."""
    state = dict(swin.state_dict())
    for name in list(state):
        if name.endswith("relative_position_bias_table"):
            state[name.replace("bias_table", "index")] = torch.zeros(49, 49, dtype=torch.int64)
        elif name.endswith("blocks.1.norm1.weight"):
            state[name.replace("norm1.weight", "attn_mask")] = torch.zeros(4, 49, 49)
    if is_classifier:
        state = {name: tensor for name, tensor in state.items() if name[:4] != "norm"}
        state |= {"norm.weight": torch.ones(192), "norm.bias": torch.ones(192), "head.weight": torch.ones(10, 192)}
    return state


@pytest.mark.parametrize("is_classifier", [True, False])
def test_microsoft_file(swin, is_classifier, tmp_path):
    torch.save({"model": _microsoft(swin, is_classifier=is_classifier)}, tmp_path / "swin.pth")
    model = small_model(Swin(24, DEPTHS, (2, 3, 6, 12)))
    report = load_weights(model, tmp_path / "swin.pth")
    assert report.dialect == "Microsoft Swin"
    norms = {f"backbone.norm{i}.{part}" for i in range(4) for part in ("weight", "bias")}
    assert {name for name in report.missing if name.startswith("backbone.")} == (norms if is_classifier else set())
    assert set(report.left_over) == ({"norm.weight", "norm.bias", "head.weight"} if is_classifier else set())
    loaded = model.backbone.state_dict()
    assert all(torch.equal(loaded[n], t) for n, t in swin.state_dict().items() if not is_classifier or n[:4] != "norm")


def test_microsoft_names_in_a_detector_of_mmdetection(swin):
    """Their detection code is mmdetection's, with their backbone in it."""
    state = {f"backbone.{name}": tensor for name, tensor in _microsoft(swin, is_classifier=False).items()}
    model = small_model(Swin(24, DEPTHS, (2, 3, 6, 12)))
    report = load_weights(model, state | {"roi_head.bbox_head.0.fc_reg.bias": torch.ones(4)})
    assert report.dialect == "mmdetection"
    assert not report.left_over
    assert len(report.matched) == 1 + len(swin.state_dict())


def test_torchvision_classifier_computes_the_same():
    torch.manual_seed(0)
    classifier = torchvision.models.swin_t(weights=None).eval()
    with torch.no_grad():
        for parameter in classifier.parameters():  # norms and biases start at ones and zeros
            parameter.add_(0.05 * torch.randn_like(parameter))
    model = small_model(Swin()).eval()
    report = load_weights(model, classifier.state_dict())
    assert report.dialect == "torchvision backbone"
    assert set(report.left_over) == {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert {name for name in report.missing if name.startswith("backbone.")} == {
        f"backbone.norm{i}.{part}" for i in range(4) for part in ("weight", "bias")
    }
    image = torch.randn(1, 3, 448, 448)  # every map larger than one window: there torchvision shifts as the reference does
    with torch.no_grad():
        features = model.backbone(image)
        x = image
        for i, layer in enumerate(classifier.features):
            x = layer(x)
            if i % 2:
                expected = F.layer_norm(x, x.shape[-1:]).permute(0, 3, 1, 2)  # the norms have not learned anything yet
                torch.testing.assert_close(features[i // 2], expected, rtol=1e-4, atol=1e-4)
