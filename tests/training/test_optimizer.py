"""Which parameters learn at which rate and with which decay, and the one switch for other batch sizes."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn
from toy_training import ToyModel

from queryinst_vis.config import ConfigError
from queryinst_vis.errors import UserError
from queryinst_vis.training.optimizer import build_optimizer, parameter_groups
from queryinst_vis.training.recipe import Recipe


def named_groups(**options) -> list[tuple[set[str], dict]]:
    model = ToyModel()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, options.pop("multipliers", {}), lr=1e-3, **options)
    return [({names[id(p)] for p in group["params"]}, {k: v for k, v in group.items() if k != "params"}) for group in groups]


def test_parts_of_names_have_no_decay() -> None:
    assert named_groups(no_decay=["norm", "ead.bi"]) == [
        ({"backbone.weight", "backbone.bias", "head.weight"}, {}),
        ({"norm.weight", "norm.bias", "head.bias"}, {"weight_decay": 0.0}),
    ]


def test_no_decay_beside_multipliers() -> None:
    assert named_groups(multipliers={"backbone": 0.1, "norm": 2.0}, no_decay=("bias",)) == [
        ({"head.weight"}, {}),
        ({"head.bias"}, {"weight_decay": 0.0}),
        ({"backbone.weight"}, {"lr": 1e-4}),
        ({"backbone.bias"}, {"lr": 1e-4, "weight_decay": 0.0}),
        ({"norm.weight"}, {"lr": 2e-3}),
        ({"norm.bias"}, {"lr": 2e-3, "weight_decay": 0.0}),
    ]


def test_every_parameter_that_learns_is_in_one_group() -> None:
    groups = named_groups(multipliers={"backbone": 0.1}, no_decay=["bias", "norm"])
    names = [name for group, _ in groups for name in group]
    assert sorted(names) == sorted(name for name, p in ToyModel().named_parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        ("nrom", "the nearest are norm"),
        ("xyz", "names are like backbone.weight, backbone.bias"),
        ("Norm", "the nearest are norm"),
    ],
)
def test_a_part_that_fits_nothing_is_an_error(part: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        named_groups(no_decay=["norm", part])
    assert str(error.value) == f"no_decay: '{part}' is in no parameter's name; {hint}"


def test_the_decay_reaches_the_training(train: Callable, tmp_path: Path) -> None:
    runner = train(tmp_path / "run", "epochs=1", "no_decay=['norm']")
    decays = [group["weight_decay"] for group in runner.optim_wrapper.optimizer.param_groups]
    assert decays == [0.01, 0.0, 0.01]  # main, norm, backbone


@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_switch_for_another_batch_size(
    train: Callable, tmp_path: Path, capsys: pytest.CaptureFixture, accumulate: int
) -> None:
    images = 4 * accumulate
    options = ("epochs=1", f"accumulate={accumulate}", "base_batch_size=16", "scale_lr=True", "schedule.warmup_iters=0")
    runner = train(tmp_path / "run", *options)
    main, backbone = runner.optim_wrapper.optimizer.param_groups
    assert main["initial_lr"] == pytest.approx(0.01 * images / 16)
    assert backbone["initial_lr"] == pytest.approx(0.001 * images / 16)
    line = f"learning rate 0.01 x {images}/16 = {0.01 * images / 16:g}, for {images} images a step"
    assert line in capsys.readouterr().out.splitlines()
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert line in log.read_text()


def test_a_rate_for_another_batch_size_is_hinted_at_once(train: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runner = train(tmp_path / "run", "epochs=2", "base_batch_size=8", "schedule.warmup_iters=0", "schedule.milestones=[]")
    line = "4 images a step, the learning rate was chosen for 8: scale_lr=True multiplies it by 0.5"
    assert capsys.readouterr().out.splitlines().count(line) == 1
    assert runner.optim_wrapper.get_lr()["lr"][0] == pytest.approx(0.01)


@pytest.mark.parametrize("options", [("base_batch_size=4",), ("base_batch_size=4", "scale_lr=True")])
def test_the_recipes_own_batch_size(train: Callable, tmp_path: Path, capsys: pytest.CaptureFixture, options: tuple) -> None:
    train(tmp_path / "run", "epochs=1", *options)
    assert ("images a step" in capsys.readouterr().out) == (len(options) > 1)


def test_a_resume_with_another_rate_is_refused(train: Callable, tmp_path: Path) -> None:
    train(tmp_path / "run", "epochs=1", "scale_lr=True")
    with pytest.raises(UserError, match=r"the checkpoint has lr_factor=0\.25, the config lr_factor=1\.0"):
        train(tmp_path / "run", "epochs=1", resume=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("scale_lr=True", "optimizer.lr=x"), "scale_lr needs optimizer.lr to be a number, got 'x'"),
        (("scale_lr=1",), "scale_lr=1: must be True or False"),
        (("base_batch_size=0",), "base_batch_size=0: must be a whole number from 1"),
        (("no_decay=norm",), r"no_decay='norm': must be a list \(each item a part of parameter names, e.g. \"norm\"\)"),
        (("no_decay=['']",), "no_decay.0='': must be a part of parameter names"),
    ],
)
def test_bad_settings(train: Callable, tmp_path: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(tmp_path / "run", *overrides)


def small_network(*, channels_last: bool = False) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 1))
    return network.to(memory_format=torch.channels_last) if channels_last else network


def build(kind: type, network: nn.Module, **arguments: object) -> torch.optim.Optimizer:
    recipe = Recipe(model={"type": type(network)}, optimizer={"type": kind, "lr": 0.1, **arguments})
    return build_optimizer(recipe, network).optimizer


def make_steps(optimizer: torch.optim.Optimizer, network: nn.Module, seeds: range) -> None:
    for seed in seeds:
        torch.manual_seed(seed)
        optimizer.zero_grad()
        network(torch.randn(5, 3, 8, 8)).square().sum().backward()
        optimizer.step()


def assert_same(network: nn.Module, other: nn.Module) -> None:
    for parameter, expected in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
def test_one_pass_makes_the_same_steps(kind: type) -> None:
    lr = {"lr": 1e-4, "momentum": 0.9} if kind is torch.optim.SGD else {"lr": 0.01}
    fast, plain = small_network(channels_last=True), small_network()
    optimizer, reference = build(kind, fast, weight_decay=0.1, **lr), kind(plain.parameters(), weight_decay=0.1, **lr)
    assert optimizer.param_groups[0]["fused"]
    make_steps(optimizer, fast, range(5))
    make_steps(reference, plain, range(5))
    assert_same(fast, plain)


@pytest.mark.parametrize("arguments", [{"fused": False}, {"foreach": True}, {"capturable": False, "differentiable": False}])
def test_a_form_that_is_asked_for_is_kept(arguments: dict) -> None:
    group = build(torch.optim.AdamW, small_network(), **arguments).param_groups[0]
    assert not group["fused"]
    assert {name: group[name] for name in arguments} == arguments


def test_an_optimizer_without_such_a_form_is_built() -> None:
    assert isinstance(build(torch.optim.RMSprop, small_network()), torch.optim.RMSprop)


@pytest.mark.parametrize("was_channels_last", [False, True])
def test_a_checkpoint_goes_on_in_another_layout_and_form(was_channels_last: bool) -> None:
    before = small_network(channels_last=was_channels_last)
    earlier = torch.optim.AdamW(before.parameters(), lr=0.01, fused=was_channels_last)
    make_steps(earlier, before, range(3))
    network = small_network(channels_last=not was_channels_last)
    network.load_state_dict(before.state_dict())
    optimizer = build(torch.optim.AdamW, network, lr=0.01, weight_decay=0.01)
    optimizer.load_state_dict(deepcopy(earlier.state_dict()))
    assert optimizer.param_groups[0]["fused"]
    make_steps(earlier, before, range(3, 6))
    make_steps(optimizer, network, range(3, 6))
    assert_same(network, before)
