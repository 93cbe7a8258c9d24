"""A training that was stopped and resumed ends where one that was not ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_training import Interruption

from queryinst_vis.config import load_config
from queryinst_vis.errors import UserError
from queryinst_vis.runner import build_runner
from queryinst_vis.safe_load import safe_load


def final_state(work_dir: Path) -> dict:
    newest = max(work_dir.glob("iter_*.pth"), key=lambda path: int(path.stem[5:]))
    return safe_load(newest)


def assert_same_end(resumed: Path, whole: Path) -> None:
    got, wanted = final_state(resumed), final_state(whole)
    assert (got["meta"]["iter"], got["meta"]["epoch"]) == (wanted["meta"]["iter"], wanted["meta"]["epoch"])
    for part in ("state_dict", "optimizer", "ema"):
        torch.testing.assert_close(got[part], wanted[part], rtol=0, atol=1e-6)
    assert got["param_schedulers"] == wanted["param_schedulers"]
    got, wanted = load_file(resumed / "last.safetensors"), load_file(whole / "last.safetensors")
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)


# 14 images in batches of 4, wide and tall apart, are 5 iterations an epoch.
@pytest.mark.parametrize(
    ("stops", "workers"),
    [((5,), 2), ((7,), 2), ((7,), 0), ((3, 9, 13), 0), ((10, 11), 0), ((1,), 0)],
    ids=["epoch's end, 2 workers", "mid-epoch, 2 workers", "mid-epoch", "three times", "after epoch 2", "before any checkpoint"],
)
def test_resume_is_exact(train: Callable, tmp_path: Path, stops: tuple[int, ...], workers: int) -> None:
    options = (f"num_workers={workers}", "checkpoint_every=2")
    train(tmp_path / "whole", *options)
    for index, stop in enumerate(stops):
        train(tmp_path / "stopped", *options, resume=index > 0, stop_after=stop)
    train(tmp_path / "stopped", *options, resume=True)
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_resume_is_exact_with_accumulated_gradients(train: Callable, tmp_path: Path) -> None:
    options = ("accumulate=3", "checkpoint_every=2", "batch_size=2")  # checkpoints at whole steps: every 3 iterations
    train(tmp_path / "whole", *options)
    train(tmp_path / "stopped", *options, stop_after=8)
    assert sorted(path.stem for path in (tmp_path / "stopped").glob("iter_*.pth")) == ["iter_3", "iter_6"]
    train(tmp_path / "stopped", *options, resume=True)
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_a_resumed_epoch_loads_only_what_is_left(train: Callable, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", "epochs=1")
    train(tmp_path / "stopped", "epochs=1", "checkpoint_every=2", stop_after=3)
    resumed = train(tmp_path / "stopped", "epochs=1", "checkpoint_every=2", resume=True)
    keys = [runner.train_dataloader.dataset.loaded for runner in (whole, resumed)]
    assert keys[1] == keys[0][2 * 4 :]


@pytest.mark.slow
def test_resume_of_queryinst_on_real_images_is_exact(shared_data: Path, tmp_path: Path) -> None:
    config = Path(__file__).resolve().parent / "queryinst_toy.py"
    for name, stops in (("whole", [None]), ("stopped", [2, 5, None])):
        for index, stop in enumerate(stops):
            cfg = load_config(config, [f"data_root={shared_data}", "val_dataset=None"])
            runner = build_runner(cfg, tmp_path / name, resume=index > 0)
            if stop is None:
                runner.train()
                continue
            runner.register_hook(Interruption(stop))
            with pytest.raises(KeyboardInterrupt):
                runner.train()
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_workers_do_not_change_the_training(train: Callable, tmp_path: Path) -> None:
    train(tmp_path / "none", "num_workers=0")
    train(tmp_path / "two", "num_workers=2")
    assert_same_end(tmp_path / "two", tmp_path / "none")


def test_a_checkpoint_of_another_training_is_refused(train: Callable, tmp_path: Path) -> None:
    train(tmp_path / "run", stop_after=6)
    with pytest.raises(UserError, match="the checkpoint has epochs=3, the config epochs=4"):
        train(tmp_path / "run", "epochs=4", resume=True)
    with pytest.raises(UserError, match=r'cannot resume: the checkpoint has optimizer=.*"lr": 0.01'):
        train(tmp_path / "run", "optimizer.lr=0.02", resume=True)
    with pytest.raises(UserError, match=r"the checkpoint has ema=0\.9, the config ema=None"):
        train(tmp_path / "run", "ema=None", resume=True)
    with pytest.raises(UserError, match="iterations per epoch=5, the config iterations per epoch=8"):
        train(tmp_path / "run", "batch_size=2", resume=True)


def test_a_finished_training_is_not_overwritten(train: Callable, tmp_path: Path) -> None:
    train(tmp_path / "run", "epochs=1")
    with pytest.raises(UserError, match="go on with --resume"):
        train(tmp_path / "run", "epochs=1")


def test_resume_of_nothing_begins(train: Callable, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "iter_best.pth").touch()  # no checkpoint of ours
    (tmp_path / "run" / "best.json").write_text('{"value": 1e9}')
    assert train(tmp_path / "run", "epochs=1", resume=True).iter == 5
    assert (tmp_path / "run" / "best.safetensors").exists()
