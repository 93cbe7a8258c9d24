"""Trainings in one process: groups, schedules, averaging, what lies in the work dir, and what goes wrong."""

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from safetensors.torch import load_file
from torch.optim import SGD
from toy_training import ToyModel

import queryinst_vis.runner as runner_module
from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.main import main
from queryinst_vis.config import ConfigError, load_config
from queryinst_vis.errors import UserError
from queryinst_vis.runner import build_runner
from queryinst_vis.safe_load import safe_load
from queryinst_vis.training.ema import AveragedWeights
from queryinst_vis.training.hooks import Console, NonFiniteLossError, clock
from queryinst_vis.training.optimizer import parameter_groups
from queryinst_vis.training.schedule import Cosine, MultiStep


def test_the_main_group_comes_first_and_frozen_parameters_in_none() -> None:
    model = ToyModel()
    main_group, backbone, bias = parameter_groups(model, {"backbone": 0.1, "head.bias": 2.0}, lr=1e-3)
    assert "lr" not in main_group
    assert [id(p) for p in main_group["params"]] == [id(p) for p in (*model.norm.parameters(), model.head.weight)]
    assert (backbone["lr"], bias["lr"]) == (1e-4, 2e-3)
    assert [id(p) for p in backbone["params"]] == [id(p) for p in model.backbone.parameters()]


def test_a_multiplier_of_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="starts with 'back'; the model's parts are backbone, frozen, head, norm"):
        parameter_groups(ToyModel(), {"back": 0.1}, lr=1e-3)


def rates(schedule: MultiStep | Cosine, *, epochs: int, iters_per_epoch: int) -> list[float]:
    """Learning rate of each iteration, of 1."""
    optimizer = OptimWrapper(SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0))
    schedulers = schedule.schedulers(optimizer, epochs=epochs, iters_per_epoch=iters_per_epoch)
    values = []
    for _ in range(epochs):
        for _ in range(iters_per_epoch):
            values.append(optimizer.get_lr()["lr"][0])
            optimizer.step()
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch:
                scheduler.step()
    return values


def test_multi_step_is_the_reference_schedule() -> None:
    values = rates(MultiStep(milestones=[3, 4], warmup_iters=5), epochs=5, iters_per_epoch=4)
    assert values[:5] == pytest.approx([0.001 + 0.999 * i / 4 for i in range(5)])
    assert values[5:] == pytest.approx([1.0] * 7 + [0.1] * 4 + [0.01] * 4)


def test_cosine_falls_to_its_final_value() -> None:
    values = rates(Cosine(final=0.01, warmup_iters=4), epochs=3, iters_per_epoch=8)
    assert values[3] == pytest.approx(1.0)
    assert values[4:] == pytest.approx([0.01 + 0.99 * (1 + np.cos(np.pi * i / 20)) / 2 for i in range(20)])


@pytest.mark.parametrize("schedule", [MultiStep(milestones=[1]), Cosine()])
def test_a_warm_up_longer_than_the_training_is_an_error(schedule: MultiStep | Cosine) -> None:
    with pytest.raises(UserError, match="warmup_iters=1000: must be a whole number below the training's 10 iterations"):
        rates(schedule, epochs=2, iters_per_epoch=5)


@pytest.mark.parametrize("kind", [partial(MultiStep, milestones=[2]), Cosine])
def test_a_warm_up_of_one_iteration_ended_at_the_rate_it_began_with(kind: Callable) -> None:
    assert rates(kind(warmup_iters=1), epochs=1, iters_per_epoch=3)[:2] == pytest.approx([1.0, 1.0])


def test_the_work_dir_afterwards(train: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runner = train(tmp_path / "run", "best_metric=toy/score")
    run = tmp_path / "run"
    assert sorted(path.name for path in run.glob("*.*")) == [
        "best.json", "best.safetensors", "config.json", "iter_10.pth", "iter_15.pth", "last.safetensors",
    ]  # fmt: skip
    assert list(run.glob("*/vis_data/events.out.tfevents.*"))
    assert json.loads((run / "best.json").read_text())["metric"] == "toy/score"
    assert json.loads((run / "config.json").read_text())["model"]["type"] == "toy_training.ToyModel"
    output = capsys.readouterr().out
    assert "on cpu with 14 samples, 5 iterations an epoch, 15 in all; log in" in output
    assert "epoch 1/3  iteration 2/15  loss" in output
    assert "lr 1.00e-03" in output  # the last epoch's: of the main parameters, not of the backbone
    assert max(len(line) for line in output.splitlines() if str(run) not in line) <= 120
    assert load_model(run / "last.safetensors", device="cpu").info.classes == ("thing",)
    assert runner.train_loop.max_iters == 15


def test_averaged_weights_are_exported_and_follow_the_formula(toy_config: Path, tmp_path: Path) -> None:
    class Recorder(Hook):
        priority = "LOWEST"

        def before_run(self, runner) -> None:
            self.average, self.steps = runner.model.model.head.weight.detach().clone(), 0

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
            decay = min(0.9, (1 + self.steps) / (10 + self.steps))
            self.average = decay * self.average + (1 - decay) * runner.model.model.head.weight.detach()
            self.steps += 1

    runner = build_runner(load_config(toy_config), tmp_path / "run")
    recorder = Recorder()
    runner.register_hook(recorder)
    runner.train()
    exported = load_file(tmp_path / "run" / "last.safetensors")["head.weight"]
    torch.testing.assert_close(exported, recorder.average)
    last = safe_load(tmp_path / "run" / "iter_15.pth")["state_dict"]["model.head.weight"]
    assert not torch.equal(exported, last)
    (average,) = [hook.model for hook in runner.hooks if isinstance(hook, AveragedWeights)]
    assert average.norm.running_mean.equal(runner.model.model.norm.running_mean)


@pytest.mark.parametrize(
    "option", ["amp=bf16", "ema=None", "val_dataset=None", "accumulate=2", "clip_norm=None", "lr_multipliers={}"]
)
def test_options_train(train: Callable, tmp_path: Path, option: str) -> None:
    train(tmp_path / "run", "epochs=1", option)
    weights = load_file(tmp_path / "run" / "last.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert not torch.equal(weights["head.weight"], ToyModel().head.weight)
    assert torch.equal(weights["frozen.weight"], ToyModel().frozen.weight)


def test_initial_weights(train: Callable, tmp_path: Path) -> None:
    train(tmp_path / "first", "epochs=1")
    weights = tmp_path / "first" / "last.safetensors"
    runner = train(tmp_path / "second", f"load_from={weights}", "optimizer.lr=1e-12", "optimizer.weight_decay=0.0", "epochs=1")
    torch.testing.assert_close(runner.model.model.head.weight.detach(), load_file(weights)["head.weight"])


def test_several_datasets_are_joined(train: Callable, tmp_path: Path, toy_config: Path) -> None:
    toy_config.write_text(toy_config.read_text() + "train_dataset = [train_dataset, dict(type=ToyDataset, length=6)]\n")
    assert len(train(tmp_path / "run", "epochs=1").train_dataloader.dataset) == 20


def test_a_loss_that_is_no_number_stops_and_names_the_images(train: Callable, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match=r"iteration \d+: not finite: .*loss_guess.*5\.jpg \(id 5\)"):
        train(tmp_path / "run", "train_dataset.nan=5", "checkpoint_every=1")
    saved = [safe_load(path)["state_dict"] for path in (tmp_path / "run").glob("iter_*.pth")]
    assert all(tensor.isfinite().all() for state in saved for tensor in state.values())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_one_line(toy_config: Path, tmp_path: Path, workers: int, capsys: pytest.CaptureFixture) -> None:
    options = ["--work-dir", str(tmp_path / "run"), "train_dataset.bad=3", f"num_workers={workers}"]  # in either order
    assert main(["train", str(toy_config), *options]) == 2
    assert capsys.readouterr().err == "error: 3.jpg: cannot be read\n"


SPECS = ("model", "info", "train_dataset", "val_dataset", "val_metric", "tracker", "optimizer", "schedule")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["batchsize=2"], "no key 'batchsize'; the nearest is 'batch_size'"),
        (["epochs=0"], "epochs=0: must be a whole number from 1"),
        (["amp=fp8"], "amp='fp8': must be bf16, fp16 or None"),
        (["ema=2"], "ema=2: must be a decay between 0 and 1"),
        (["train_dataset=None"], "the config sets no train_dataset"),
        (["model.dropout=7.0"], "dropout probability has to be between 0 and 1"),
        (["lr_multipliers.bakbone=2.0"], "no key 'bakbone'; the nearest is 'backbone'"),
        (["lr_multipliers.backbone=x"], "lr_multipliers.backbone='x': must be a number"),
        (["optimizer.lr=x"], "lr_multipliers need optimizer.lr to be a number, got 'x'"),
        (["schedule.milestones=2"], "MultiStep: milestones=2: must be a list"),
        (["schedule.gamma=x"], "MultiStep: gamma='x': must be a number from 0 to 1"),
        (["schedule.warmup_start=2"], "MultiStep: warmup_start=2: must be a number from 0 to 1"),
        (["model.dropout=x"], "ToyModel: "),
        *(([f"{name}=5"], f"{name}=5: must be a dict with `type`") for name in SPECS),
        (["tracker=iou"], "tracker='iou': must be a dict with `type`"),
        (["val_metric=[5]"], "val_metric.0=5: must be a dict with `type`"),
        (["load_from=5"], "load_from=5: must be a file or a published name"),
        (["lr_multipliers=5"], "lr_multipliers=5: must be a dict"),
        (["best_metric=5"], "best_metric=5: must be a metric's name"),
        (["group_by_shape=x"], "group_by_shape='x': must be True or False"),
        (["load_from=/nowhere/weights.safetensors"], "/nowhere/weights.safetensors"),
        (["best_metric=toy/scores"], "best_metric='toy/scores': the validation gave toy/score, toy/images"),
    ],
)
def test_bad_settings_are_one_line(
    toy_config: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", str(toy_config), *arguments, "--work-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_runner_outlived_the_group_of_processes(toy_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then threads of the group were there when the interpreter ended, which aborted now and then."""
    alive, leave = [], runner_module.leave_processes

    def leave_and_count() -> None:
        leave()
        alive.append(sum(type(thing) is runner_module.TrainRunner for thing in gc.get_objects()))

    gc.collect()
    before = sum(type(thing) is runner_module.TrainRunner for thing in gc.get_objects())
    monkeypatch.setattr(runner_module, "leave_processes", leave_and_count)
    assert main(["train", str(toy_config), "epochs=1", "--work-dir", str(tmp_path / "run")]) == 0
    assert alive == [before]


def test_measuring_gives_what_the_validation_gave(toy_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", str(toy_config), "epochs=1", "--work-dir", str(tmp_path / "run")]) == 0
    value = json.loads((tmp_path / "run" / "best.json").read_text())["value"]
    capsys.readouterr()
    assert main(["test", str(toy_config), str(tmp_path / "run" / "best.safetensors"), "--device", "cpu"]) == 0
    assert f"toy/score   {value:.4f}" in capsys.readouterr().out


def test_weights_that_lack_a_part_are_not_measured(toy_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"head.bias": torch.zeros(1)}, tmp_path / "part.pth")
    assert main(["test", str(toy_config), str(tmp_path / "part.pth")]) == 2
    assert "does not hold all of the config's model" in capsys.readouterr().err


def test_asked_to_stop_it_saves_and_says_how_to_go_on(toy_config: Path, tmp_path: Path) -> None:
    program = [sys.executable, str(Path(__file__).resolve().parents[2] / "tools" / "train.py"), str(toy_config)]
    options = ["epochs=10000", "val_dataset=None", "num_workers=1", "accumulate=2", "--work-dir", str(tmp_path / "run")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*program, *options], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert any("epoch 1/" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    (saved,) = [line for line in output.splitlines() if line.startswith("stopped and saved after iteration")]
    iteration = int(saved.split()[5].rstrip(";"))
    assert iteration % 2 == 0
    assert (tmp_path / "run" / f"iter_{iteration}.pth").exists()


def test_a_metric_and_its_value_were_on_two_lines(capsys: pytest.CaptureFixture) -> None:
    metrics = {f"coco/a-long_name_{number}": number / 7 for number in range(30)}
    Console(1).after_val_epoch(SimpleNamespace(rank=0), metrics)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert max(map(len, lines)) <= 120
    pairs = [pair.split(" ") for line in lines for pair in line.strip().split("  ")]
    assert {name: float(value) for name, value in pairs} == pytest.approx(metrics, rel=1e-3)


@pytest.mark.parametrize("stop_after", [None, 2])
def test_loader_processes_stayed_until_somebody_collected_them(train: Callable, tmp_path: Path, stop_after: int | None) -> None:
    before = set(multiprocessing.active_children())
    runner = train(tmp_path / "run", "num_workers=2", "epochs=1", stop_after=stop_after)
    assert set(multiprocessing.active_children()) <= before
    assert len(runner.train_dataloader.dataset) == 14  # still there


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3661, "1:01:01"), (360000, "100:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
