"""Linear layers through oneDNN against torch's own, and what a step of a training on a CPU runs."""

from collections import Counter
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from queryinst_vis.masks import BitMasks
from queryinst_vis.models import LearnedQueries, QueryInst, ResNet
from queryinst_vis.structures import ImageBatch, Targets
from queryinst_vis.training.on_cpu import OneDnnLinear, available, fit_to_cpu
from queryinst_vis.training.optimizer import build_optimizer
from queryinst_vis.training.recipe import Recipe

pytestmark = pytest.mark.skipif(not available(), reason="this torch or this machine does not have oneDNN's operation")


def pair(*sizes: int, bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    """torch's layer, and ours with the same weights."""
    torch.manual_seed(0)
    plain = nn.Linear(*sizes, bias=bias)
    fast = deepcopy(plain)
    fit_to_cpu(fast)
    assert type(fast) is OneDnnLinear
    return plain, fast


def results(layer: nn.Linear, x: torch.Tensor) -> list[torch.Tensor]:
    """What the layer gives, and the gradients of its input and its parameters."""
    x = x.detach().requires_grad_()
    out = layer(x)
    torch.manual_seed(1)
    return [out, *torch.autograd.grad(out, [x, *layer.parameters()], torch.randn(out.shape))]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (2, 5, 24), (24,), (0, 24), (300, 24)])
def test_same_numbers_and_gradients(shape: tuple[int, ...], bias: bool) -> None:
    plain, fast = pair(24, 40, bias=bias)
    x = torch.randn(shape)
    for ours, theirs in zip(results(fast, x), results(plain, x), strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_inputs_and_gradients_in_any_layout() -> None:
    plain, fast = pair(24, 40)
    x = torch.randn(24, 2, 6).permute(1, 2, 0)
    for layer in (plain, fast):
        layer(x).transpose(0, 1)[1:].sum().backward()
    torch.testing.assert_close(fast.weight.grad, plain.weight.grad)
    torch.testing.assert_close(fast.bias.grad, plain.bias.grad)
    assert fast.weight.grad.is_contiguous()


def test_frozen_weights_get_no_gradient() -> None:
    _, fast = pair(24, 40)
    fast.requires_grad_(False)
    x = torch.randn(3, 24, requires_grad=True)
    fast(x).sum().backward()
    torch.testing.assert_close(x.grad, fast.weight.sum(0).expand(3, -1))
    assert fast.weight.grad is None


def test_without_a_gradient_and_in_lower_precision_it_is_torchs() -> None:
    plain, fast = pair(24, 40)
    x = torch.randn(3, 24)
    with torch.no_grad():
        assert torch.equal(fast(x), plain(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert fast(x).dtype == torch.bfloat16
        assert torch.equal(fast(x), plain(x))
    assert torch.equal(fast.double()(x.double()), plain.double()(x.double()))


def test_names_parameters_and_other_layers_stay() -> None:
    class Own(nn.Linear):
        """Of somebody else, who may need it to be just this."""

    network = nn.Sequential(nn.Linear(4, 4), Own(4, 4), nn.MultiheadAttention(4, 2))
    before, parameters = network.state_dict(), list(network.parameters())
    fit_to_cpu(network)
    assert [type(layer) for layer in network] == [OneDnnLinear, Own, nn.MultiheadAttention]
    assert list(network.state_dict()) == list(before)
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    assert type(deepcopy(network)[0]) is OneDnnLinear


def small_model() -> QueryInst:
    torch.manual_seed(0)
    sizes = {"num_stages": 2, "embed_dim": 32, "num_heads": 4, "ffn_dim": 64, "dynamic_dim": 8, "num_mask_convs": 1}
    return QueryInst(ResNet(18), LearnedQueries(8, 32, grid=True), num_classes=4, **sizes).train()


def batch_of_two() -> tuple[ImageBatch, list[Targets]]:
    torch.manual_seed(3)
    boxes = torch.tensor([[4.0, 4, 40, 50], [30, 10, 90, 60]])
    masks = torch.zeros(2, 64, 96, dtype=torch.bool)
    masks[0, 8:45, 6:36] = masks[1, 15:55, 40:80] = True
    targets = [Targets(boxes, torch.tensor([1, 3]), BitMasks(masks)), Targets(boxes[:1], torch.tensor([2]), BitMasks(masks[:1]))]
    return ImageBatch(torch.randn(2, 3, 64, 96), [(64, 96)] * 2, [(64, 96)] * 2), targets


def total_loss(model: QueryInst) -> torch.Tensor:
    return sum(value for name, value in model.loss(*batch_of_two()).items() if "loss" in name)


def test_a_model_learns_the_same() -> None:
    plain, fast = small_model(), small_model()
    fit_to_cpu(fast)
    assert total_loss(fast).item() == pytest.approx(total_loss(plain).item(), rel=1e-5)
    for model in (plain, fast):
        total_loss(model).backward()
    for (name, parameter), expected in zip(fast.named_parameters(), plain.parameters(), strict=True):
        if expected.grad is None:
            assert parameter.grad is None, name
        else:
            difference = (parameter.grad - expected.grad).norm()
            assert difference <= 1e-3 * expected.grad.norm() + 1e-6, name


class Calls(TorchDispatchMode):
    """How often each of torch's operations was called."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[func.name()] += 1
        return func(*args, **(kwargs or {}))


def test_what_a_step_runs() -> None:
    model = small_model()
    fit_to_cpu(model)
    recipe = Recipe(model={"type": QueryInst}, optimizer={"type": torch.optim.AdamW, "lr": 1e-4})
    optimizer = build_optimizer(recipe, model).optimizer
    with Calls() as calls:
        total_loss(model).backward()
        optimizer.step()
    pools = len(model.stages) + len(model.mask_heads)
    bags = sum(count for name, count in calls.counts.items() if name.startswith("aten::_embedding_bag"))
    assert bags == 2 * pools  # forward and backward
    assert calls.counts["torchvision::roi_align"] == 2 * len(model.mask_heads)  # objects' masks, in each image
    assert calls.counts["torchvision::_roi_align_backward"] == 0
    assert calls.counts["aten::_fused_adamw_"] == 1
    assert calls.counts["aten::addmm"] <= 2 * len(model.stages)  # of attention, whose layers are its own
    linear = sum(type(layer) is OneDnnLinear for layer in model.modules())
    assert calls.counts["mkldnn::_linear_pointwise"] == 3 * linear  # forward, and gradients of input and weight
