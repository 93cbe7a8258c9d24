"""How long a frame takes by an exported model and by torch, plain, accelerated and compiled: alternating runs on the same frames.

python tools/export_model.py default default.onnx && python tools/export_model.py default default.pt2
python benchmarks/exported.py default default.onnx default.pt2 --video demo/clip.mp4
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from turns import medians, show

from queryinst_vis import accelerate, load_model, open_video
from queryinst_vis.models.base import ImageModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("exported", nargs="*", type=Path)
    parser.add_argument("--video", required=True)
    parser.add_argument("--compile", action="store_true", help="torch.compile, too, which takes minutes at first")
    parser.add_argument("--size", type=int, help="short side of what the network sees (default: the model's)")
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--frames", type=int, default=5, help="timed together")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with open_video(args.video, max_frames=args.frames) as video:
        images = [frame.image for frame in video]
    load = partial(load_model, device="cpu", size=args.size)
    models: dict[str, ImageModel] = {"torch": load(args.weights), "torch, accelerated": accelerate(load(args.weights))}
    if args.compile:
        models["torch, compiled"] = accelerate(load(args.weights), compile=True)
    models |= {str(path): load(path) for path in args.exported}
    runs = {name: partial(_predict, model, images) for name, model in models.items()}
    times = medians(runs, repeat=args.repeat)
    show({name: seconds / len(images) for name, seconds in times.items()}, reference="torch")


def _predict(model: ImageModel, images: list[np.ndarray]) -> None:
    for image in images:
        model.predict([image], min_score=0.3)


if __name__ == "__main__":
    main()
