"""A training that takes a second, as a config in the test's folder."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

sys.path.insert(0, str(Path(__file__).resolve().parent))  # tests and their configs import toy_training

CONFIG = """
from torch.optim import AdamW
from toy_training import ToyDataset, ToyMetric, ToyModel

from queryinst_vis.training.schedule import MultiStep

model = dict(type=ToyModel)
train_dataset = dict(type=ToyDataset)
val_dataset = dict(type=ToyDataset, length=5)
val_metric = dict(type=ToyMetric, prefix="toy")
optimizer = dict(type=AdamW, lr=0.01, weight_decay=0.01)
lr_multipliers = dict(backbone=0.1)
schedule = dict(type=MultiStep, milestones=[2], warmup_iters=4)
clip_norm = 1.0
batch_size = 4
epochs = 3
ema = 0.9
num_workers = 0
log_every = 2
"""


@pytest.fixture
def toy_config(tmp_path: Path) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def train(toy_config: Path) -> Callable[..., Runner]:
    """train(work_dir, overrides, resume=, stop_after=) -> the runner when it ended or was interrupted."""
    from toy_training import Interruption

    from queryinst_vis.config import load_config
    from queryinst_vis.runner import build_runner

    def run(work_dir: Path, *overrides: str, resume: bool = False, stop_after: int | None = None) -> Runner:
        torch.manual_seed(0 if stop_after is None else 1)  # nothing may depend on it
        runner = build_runner(load_config(toy_config, overrides), work_dir, resume=resume)
        if stop_after is None:
            runner.train()
            return runner
        runner.register_hook(Interruption(stop_after))
        with pytest.raises(KeyboardInterrupt):
            runner.train()
        return runner

    return run
