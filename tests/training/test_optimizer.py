"""Which parameters learn at which rate and with which decay, and the one switch for other batch sizes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from toy_training import ToyModel

from queryinst_vis.config import ConfigError
from queryinst_vis.errors import UserError
from queryinst_vis.training.optimizer import parameter_groups


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
