"""Training by iterations instead of epochs: where it ends, what is validated and saved, resumes, and the rates."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper
from safetensors.torch import load_file
from test_resume import assert_same_end
from torch.optim import SGD

from queryinst_vis.errors import UserError
from queryinst_vis.training.schedule import Cosine, MultiStep

BY_ITERATIONS = ("iterations=13", "schedule.milestones=[6, 12]")  # of 5 iterations an epoch


def saved(work_dir: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("iter_")) for path in work_dir.glob("iter_*.pth"))


def test_it_ends_in_the_midst_of_an_epoch(train: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runner = train(tmp_path / "run", *BY_ITERATIONS, "keep_checkpoints=9", "log_every=1")
    output = capsys.readouterr().out
    assert (runner.iter, runner.max_iters) == (13, 13)
    assert "5 iterations an epoch, 13 in all" in output
    assert "epoch 3/3  iteration 13/13  loss" in output
    assert "iteration 14" not in output
    assert output.count("validation in") == 3  # after epochs 1 and 2, and at the end
    assert saved(tmp_path / "run") == [5, 10, 13]
    assert len(runner.train_dataloader.dataset.loaded) == 13 * 4


def test_short_epochs_are_validated_and_saved_as_rarely_as_asked(
    train: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    train(tmp_path / "run", *BY_ITERATIONS, "keep_checkpoints=9", "val_every=2", "checkpoint_every=4")
    assert capsys.readouterr().out.count("validation in") == 2
    assert saved(tmp_path / "run") == [4, 8, 10, 12, 13]


@pytest.mark.parametrize("iterations", [3, 5, 10])
def test_less_than_an_epoch_and_whole_epochs(
    train: Callable, tmp_path: Path, capsys: pytest.CaptureFixture, iterations: int
) -> None:
    train(tmp_path / "run", f"iterations={iterations}", "schedule.milestones=[]", "schedule.warmup_iters=2", "val_every=9")
    assert capsys.readouterr().out.count("validation in") == 1
    assert saved(tmp_path / "run") == [iterations]


def test_as_many_iterations_as_epochs_have_train_alike(train: Callable, tmp_path: Path) -> None:
    """The rate falls after epoch 2 of 5 iterations each: after iteration 10."""
    train(tmp_path / "epochs", "epochs=3", "schedule.milestones=[2]")
    train(tmp_path / "iterations", "iterations=15", "schedule.milestones=[10]")
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("epochs", "iterations"))
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("stops", "workers"), [((7,), 2), ((5, 11, 12), 0), ((1,), 0)], ids=["mid-epoch", "also in the cut epoch", "nothing saved"]
)
def test_resume_is_exact(train: Callable, tmp_path: Path, stops: tuple[int, ...], workers: int) -> None:
    options = (*BY_ITERATIONS, f"num_workers={workers}", "checkpoint_every=2", "val_every=2")
    train(tmp_path / "whole", *options)
    for index, stop in enumerate(stops):
        train(tmp_path / "stopped", *options, resume=index > 0, stop_after=stop)
    train(tmp_path / "stopped", *options, resume=True)
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_resume_of_a_finished_training_adds_nothing(train: Callable, tmp_path: Path) -> None:
    train(tmp_path / "run", *BY_ITERATIONS)
    before = load_file(tmp_path / "run" / "last.safetensors")
    assert train(tmp_path / "run", *BY_ITERATIONS, resume=True).iter == 13
    torch.testing.assert_close(load_file(tmp_path / "run" / "last.safetensors"), before, rtol=0, atol=0)


def test_another_number_of_iterations_is_another_training(train: Callable, tmp_path: Path) -> None:
    train(tmp_path / "run", *BY_ITERATIONS)
    with pytest.raises(UserError, match="the checkpoint has iterations=13, the config iterations=20"):
        train(tmp_path / "run", "iterations=20", "schedule.milestones=[6, 12]", resume=True)


def rates(schedule: MultiStep | Cosine, iterations: int) -> list[float]:
    """Learning rate of each iteration, of 1."""
    optimizer = OptimWrapper(SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0))
    schedulers = schedule.schedulers(optimizer, epochs=99, iters_per_epoch=7, iterations=iterations)
    values = []
    for _ in range(iterations):
        values.append(optimizer.get_lr()["lr"][0])
        optimizer.step()
        for scheduler in schedulers:
            assert not scheduler.by_epoch
            scheduler.step()
    return values


def test_milestones_are_iterations() -> None:
    values = rates(MultiStep(milestones=[6, 9], warmup_iters=3, warmup_start=0.5), 12)
    assert values == pytest.approx([0.5, 0.75, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])


def test_a_cosine_ends_at_the_last_iteration() -> None:
    values = rates(Cosine(final=0.0, warmup_iters=0), 10)
    assert values[0] == 1
    assert values[5] == pytest.approx(0.5)
    assert values[9] == pytest.approx(0.02447, abs=1e-4)


def test_milestones_meant_as_epochs_are_found() -> None:
    with pytest.raises(UserError, match=r"milestones=\[8, 11\]: in a training by iterations .* warm-up of 1000$"):
        rates(MultiStep(milestones=[8, 11]), 2000)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("iterations=0",), "iterations=0: must be a whole number from 1 or None"),
        (("iterations=7", "accumulate=2"), "iterations=7: must be a multiple of accumulate=2"),
        (("iterations=3", "schedule.milestones=[]"), "warmup_iters=4: must be a whole number below the training's 3 iterations"),
    ],
)
def test_bad_lengths(train: Callable, tmp_path: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        train(tmp_path / "run", *overrides)
    assert "\n" not in str(error.value)
