"""Models of every backbone that other code bases know, small in their heads, with weights that hide no mistake."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from queryinst_vis.models import LearnedQueries, QueryInst, ResNet
from queryinst_vis.models.backbones.swin import Swin

BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNet(18),
    "resnet50": lambda: ResNet(50),
    "resnext_dcn": lambda: ResNet(50, groups=32, width_per_group=4, deformable=(False, True, True, True)),
    "swin": lambda: Swin(48, (2, 2, 2, 2), (3, 6, 12, 24)),
}


SIZES = {"num_classes": 5, "num_stages": 2, "embed_dim": 32, "num_heads": 4, "ffn_dim": 64, "dynamic_dim": 8}


def small_model(backbone: nn.Module) -> QueryInst:
    return QueryInst(backbone, LearnedQueries(7, 32), **SIZES)


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Every parameter and buffer of its own: a swap of two shows."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.2 + torch.rand(tensor.shape, generator=generator))
        else:
            tensor.fill_(int(torch.randint(1, 1000, (), generator=generator)))


def assert_same(tensors: dict[str, Tensor], others: dict[str, Tensor]) -> None:
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name
