"""`benchmark CONFIG [key=value ...]`: how long a model takes, part by part; `--video FILE`: a video from file to file."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queryinst_vis.cli.model_options import add_compile_argument, add_precision_argument
from queryinst_vis.cli.values import network_side, positive
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file, write_whole

if TYPE_CHECKING:
    from queryinst_vis.benchmark import NetworkTimes, Spread, VideoTimes
    from queryinst_vis.models.base import ImageModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help='a shipped config, the path of yours, whose code runs, or "default"')
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="settings to change")
    parser.add_argument("--weights", metavar="W", help="a file, or a published name (default: random, which take as long)")
    parser.add_argument("--size", type=network_side, nargs=2, metavar=("H", "W"), help="of the image (default: the config's)")
    parser.add_argument("--keep", type=positive, metavar="K", help="detections of an image (default: the config's)")
    parser.add_argument("--batch", type=positive, metavar="B", help="images at a time (default: 1; of a video, what suits)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="time a video from file to file instead of an image")
    parser.add_argument("--max-frames", type=positive, metavar="N", help="of the video")
    add_precision_argument(parser)
    add_compile_argument(parser)
    parser.add_argument("--plain", action="store_true", help="the model as it is trained, not accelerated")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--threads", type=positive, metavar="T", help="of the CPU (default: torch's choice)")
    parser.add_argument("--repeat", type=positive, default=7, metavar="N", help="runs of which the median is told (default: 7)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the numbers here")


def run(args: argparse.Namespace) -> int:
    import torch

    from queryinst_vis.benchmark import machine, peak_memory, time_network, time_video
    from queryinst_vis.benchmark.network import patches_image

    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[Path(args.config)])
    if args.threads:
        torch.set_num_threads(args.threads)
    model = _build(args)
    facts = {"config": args.config, "precision": args.precision, "accelerated": not args.plain, "compile": args.compile}
    facts |= machine(model.device)
    if args.video:
        video = time_video(args.video, model, max_frames=args.max_frames, batch_size=args.batch)
        numbers, table = _of_video(video), _video_table(video)
    else:
        images = [patches_image(*_image_hw(args, model), seed=seed) for seed in range(args.batch or 1)]
        network = time_network(model, images, repeat=args.repeat)
        facts |= {"height": images[0].shape[0], "width": images[0].shape[1], "batch": args.batch or 1}
        numbers, table = _of_network(network), _network_table(network)
    facts["peak_memory_bytes"] = peak_memory(model.device)
    if args.json:
        write_whole({args.json: json.dumps(facts | numbers, indent=1) + "\n"})
    print(table, _line(facts), sep="\n")
    return 0


def _build(args: argparse.Namespace) -> "ImageModel":
    """The model on its device, with the weights that were asked for."""
    from queryinst_vis.acceleration import accelerate
    from queryinst_vis.checkpoint import load_model
    from queryinst_vis.config import load_config
    from queryinst_vis.data.classes import COCO
    from queryinst_vis.device import select_device
    from queryinst_vis.runner import build_model, build_recipe, build_trained_model

    if args.plain and args.compile:
        raise UserError("--compile is for the accelerated model, not for --plain")
    if args.config == "default" and (args.weights or args.overrides):
        raise UserError("default is a trained model; --weights and settings go with a config")
    if args.config == "default":
        model: ImageModel = load_model("default", device=args.device)
    else:
        recipe = build_recipe(load_config(args.config, [*args.overrides, "load_from=None"]))
        model = build_trained_model(recipe, args.weights) if args.weights else build_model(recipe, classes=COCO)
        model.to(select_device(args.device)).eval()
    if args.keep:
        model.max_detections = args.keep
    if args.size:
        model.preprocess.short, model.preprocess.long = min(args.size), max(args.size)
    return model if args.plain else accelerate(model, precision=args.precision, compile=args.compile)


def _image_hw(args: argparse.Namespace, model: "ImageModel") -> tuple[int, int]:
    return tuple(args.size) if args.size else (model.preprocess.short, model.preprocess.long)


def _of_network(times: "NetworkTimes") -> dict[str, Any]:
    parts = {name: asdict(spread) for name, spread in times.parts.items()}
    return {"total_seconds": times.total.median, "total": asdict(times.total), "parts": parts, "detections": times.num_detections}


def _of_video(times: "VideoTimes") -> dict[str, Any]:
    return asdict(times) | {"fps": times.fps, "network_fps": times.network_fps}


def _network_table(times: "NetworkTimes") -> str:
    rows = [_row(name, spread) for name, spread in times.parts.items()]
    return "\n".join([_HEADER, *rows, _row("all, not looked into", times.total)])


def _video_table(times: "VideoTimes") -> str:
    rows = [_row(name, spread) for name, spread in times.parts.items()]
    rate = f"{times.num_frames} frames in {times.whole:.2f} s, {times.fps:.2f} frames per second"
    share = f"{times.fps / times.network_fps:.2f} of the network alone"
    objects = f"{times.num_objects / max(times.num_frames, 1):.1f} objects in a frame"
    return "\n".join([_HEADER, *rows, f"from file to file: {rate}, {share}; {objects}"])


_HEADER = f"{'part':24}{'ms':>10}{'quartiles':>20}{'per second':>12}"


def _row(name: str, spread: "Spread") -> str:
    low, high = f"{1000 * spread.low:.2f}", f"{1000 * spread.high:.2f}"
    return f"{name:24}{1000 * spread.median:10.2f}{f'{low} - {high}':>20}{1 / spread.median:12.1f}"


def _line(facts: dict[str, Any]) -> str:
    memory = f"{facts['peak_memory_bytes'] / 1e6:.0f} MB at most"
    return f"{facts['device']}, {facts['threads']} threads, {facts['precision']}, torch {facts['torch']}; {memory}"
