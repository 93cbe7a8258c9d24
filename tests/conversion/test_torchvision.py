"""torchvision's classifiers as backbones."""

import pytest
import torch
import torchvision

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.models.backbones import ResNet, ShuffleNetV2


class _Model(torch.nn.Module):
    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, torch.nn.Linear(2, 2)


@pytest.mark.parametrize("depth", [18, 50, 101])
def test_resnet(depth):
    with torch.device("meta"):
        model, classifier = _Model(ResNet(depth)), getattr(torchvision.models, f"resnet{depth}")()
    report = load_weights(model, classifier.state_dict())
    assert report.dialect == "torchvision backbone"
    assert report.missing == ("head.weight", "head.bias")
    assert report.left_over == ("fc.weight", "fc.bias")
    assert len(report.matched) == len(model.backbone.state_dict())


@pytest.mark.parametrize("deformable", [(False,) * 4, (False, True, True, True)])
def test_resnext(deformable):
    """Deformable convolutions take the weights of plain ones; what moves their taps starts fresh."""
    with torch.device("meta"):
        model = _Model(ResNet(50, groups=32, width_per_group=4, deformable=deformable))
        classifier = torchvision.models.resnext50_32x4d()
    report = load_weights(model, classifier.state_dict())
    assert report.left_over == ("fc.weight", "fc.bias")
    offsets = {name for name in report.missing if name.startswith("backbone.")}
    assert offsets == {name for name in model.state_dict() if ".conv2.conv_offset." in name}
    assert len(offsets) == (26 if any(deformable) else 0)  # layer2 to layer4 have 4, 6 and 3 blocks


def test_resnet_computes_the_same():
    torch.manual_seed(0)
    model, classifier = _Model(ResNet(18)).eval(), torchvision.models.resnet18().eval()
    load_weights(model, classifier.state_dict())
    features = []
    classifier.avgpool.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        classifier(image)
        assert torch.equal(model.backbone(image)[-1], features[0])


def test_shufflenet():
    with torch.device("meta"):
        model, classifier = _Model(ShuffleNetV2()), torchvision.models.shufflenet_v2_x1_0()
    report = load_weights(model, classifier.state_dict())
    assert len(report.matched) == len(model.backbone.state_dict())
    assert {name.split(".")[0] for name in report.left_over} == {"conv5", "fc"}
