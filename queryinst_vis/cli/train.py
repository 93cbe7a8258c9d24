"""`train CONFIG [key=value ...]`: train a model, or go on where a training stopped."""

import argparse
import warnings
from pathlib import Path

from queryinst_vis.cli.stopping import Stop, stop_on_signal
from queryinst_vis.config import load_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        help="the name of a shipped config, or the path of a file of yours, whose code runs, e.g. queryinst_r50_12e_coco",
    )
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings to change, e.g. data_root=/data/coco batch_size=4"
    )
    parser.add_argument(
        "--work-dir", type=Path, help="where checkpoints, weights and logs go (default: work_dirs/NAME_OF_CONFIG)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint of the work dir")
    parser.add_argument("--amp", choices=("bf16", "fp16"), help="mixed precision; the same as amp=...")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.runner import leave_processes

    _silence_libraries()
    with stop_on_signal() as stop:
        _train(args, stop)
    leave_processes()
    return stop.exit_code


def _train(args: argparse.Namespace, stop: Stop) -> None:
    from queryinst_vis.runner import build_runner
    from queryinst_vis.training.checkpoints import TrainingStopped

    cfg = load_config(args.config, [*args.overrides, *([f"amp={args.amp}"] if args.amp else [])])
    work_dir = args.work_dir or Path("work_dirs") / Path(args.config).stem
    runner = build_runner(cfg, work_dir, resume=args.resume, stop_asked=lambda: stop.signal is not None)
    try:
        runner.train()
    except TrainingStopped as stopped:
        if runner.rank == 0:
            print(f"stopped and saved after iteration {stopped}; the same command with --resume goes on", flush=True)


def _silence_libraries() -> None:
    """Warnings that nobody who trains can do anything about."""
    # With accumulated gradients there are iterations without a step, which mmengine takes for a mistake.
    warnings.filterwarnings("ignore", message=r"Detected call of `scheduler\.step")
    warnings.filterwarnings("ignore", message="Setting (OMP|MKL)_NUM_THREADS")
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
