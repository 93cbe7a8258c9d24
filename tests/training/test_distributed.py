"""Two processes on the CPU do what one does with the whole batch."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_processes
from safetensors.torch import load_file

from queryinst_vis.data.loading import TrainBatches, ValidationBatches

HERE = Path(__file__).resolve().parent
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE), "CUDA_VISIBLE_DEVICES": ""}


def torchrun(*command: str | Path) -> str:
    """Output of a program in two processes."""
    result = subprocess.run([*LAUNCHER, *map(str, command)], env=environment(), capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("two") / "results.pt"
    torchrun(HERE / "two_processes.py", path)
    return torch.load(path)


@pytest.mark.parametrize("case", list(two_processes.CASES))
def test_losses_and_gradients_are_those_of_one_process(of_two: dict, case: str) -> None:
    losses, gradients = two_processes.losses_and_gradients(two_processes.make_model(), two_processes.make_samples(case))
    shared_losses, shared_gradients = of_two[case]
    assert sum(bool(value.any()) for value in gradients.values()) > 50
    assert shared_losses.keys() == losses.keys()
    for name, value in losses.items():
        if "loss" in name:
            torch.testing.assert_close(shared_losses[name], value, rtol=1e-5, atol=1e-5)
    for name, value in gradients.items():
        atol = 1e-5 * max(1.0, value.abs().max().item())  # what is summed is rounded to its own size
        torch.testing.assert_close(
            shared_gradients[name], value, rtol=1e-4, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_statistics_of_the_first_process_alone_were_saved(of_two: dict) -> None:
    assert of_two["running mean"].tolist() == [0.5, 0.5, 0.5]


@pytest.mark.slow
def test_two_processes_resume_exactly(toy_config: Path, tmp_path: Path) -> None:
    """With batch norm, which each process trains on its own share."""
    tool, whole, resumed = HERE.parents[1] / "tools" / "train.py", tmp_path / "whole", tmp_path / "resumed"
    options = ("checkpoint_every=2", "keep_checkpoints=99", "model.dropout=0.0")
    torchrun(tool, toy_config, *options, "--work-dir", whole)
    resumed.mkdir()
    shutil.copy(whole / "iter_8.pth", resumed)  # in mid-epoch
    torchrun(tool, toy_config, *options, "--work-dir", resumed, "--resume")
    first, second = (load_file(folder / "last.safetensors") for folder in (whole, resumed))
    torch.testing.assert_close(second, first, rtol=0, atol=1e-6)


def test_a_training_of_two_processes_is_that_of_one(toy_config: Path, tmp_path: Path, train) -> None:
    options = ("model.norm=False", "model.dropout=0.0", "accumulate=2", "num_workers=1")
    tool = HERE.parents[1] / "tools" / "train.py"
    output = torchrun(tool, toy_config, *options, "--work-dir", tmp_path / "two")
    train(tmp_path / "one", *options)
    one, two = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    torch.testing.assert_close(two, one, rtol=0, atol=1e-5)
    assert output.count("epoch 3/3  iteration 18/18") == 1  # one process talks
    assert output.count("toy/images 5") == 3  # each validation image once


def test_two_processes_stop_together(toy_config: Path, tmp_path: Path) -> None:
    tool = HERE.parents[1] / "tools" / "train.py"
    command = [*LAUNCHER, str(tool), str(toy_config), "epochs=10000", "val_dataset=None", "--work-dir", str(tmp_path / "run")]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert any("epoch 1/" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    (saved,) = [line for line in output.splitlines() if line.startswith("stopped and saved after iteration")]
    assert (tmp_path / "run" / f"iter_{saved.split()[5].rstrip(';')}.pth").exists()


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_processes_share_out_the_batches_of_one(world_size: int) -> None:
    ratios = torch.rand(23, generator=torch.Generator().manual_seed(0)).numpy() * 2
    ranks = [TrainBatches(23, 4, seed=3, aspect_ratios=ratios, rank=r, world_size=world_size) for r in range(world_size)]
    whole = TrainBatches(23, 4, seed=3, aspect_ratios=ratios)
    for epoch in range(2):
        for batches in (whole, *ranks):
            batches.set_position(epoch)
        for batch, *parts in zip(whole, *ranks, strict=True):
            assert sorted(key for part in parts for key in part) == sorted(batch)
            assert {len(part) for part in parts} == {4 // world_size}


@pytest.mark.parametrize(("length", "world_size"), [(5, 1), (5, 2), (6, 3), (1, 2)])
def test_the_processes_share_out_the_validation(length: int, world_size: int) -> None:
    ranks = [
        [key.index for batch in ValidationBatches(length, 2, rank=r, world_size=world_size) for key in batch]
        for r in range(world_size)
    ]
    together = [index for row in zip(*ranks, strict=True) for index in row]  # as mmengine's collect_results joins them
    assert together[:length] == list(range(length))
