"""ultralytics' segmentation and tracking, and our `track` with the default model, on the same video.

    python benchmarks/ultralytics_track.py VIDEO

Three things are timed: the network with all around it, from the picture to detections with masks; tracks of the video, ours into
a JSON file; and the same with an annotated video. These are different networks: how large they are is printed, their accuracy is
no subject here. ultralytics' weights are random, and what it finds with them would be noise. So what its network gives is
replaced with the objects that we track in the same frame, before anything is done with it: its masks, tracking and drawing have
the objects that ours have, and take what they would with trained weights. Videos are written as each does by itself, H.264 here,
Motion JPEG there.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from turns import medians, show

from queryinst_vis.acceleration import accelerate
from queryinst_vis.checkpoint import load_model
from queryinst_vis.jobs.job import Job, Watcher, run_job
from queryinst_vis.models.base import ImageModel
from queryinst_vis.pipeline import track_video
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers import Tracker, build_tracker
from queryinst_vis.video import VideoWriter, open_video

_PLACES = 10  # at which a trained network would find an object
_CELL = 4  # pixels of the network's input that a cell of the mask prototypes is wide


@dataclass(frozen=True)
class Clip:
    """The beginning of a video as a file. found: our tracked objects of each frame, [N, 6] boxes in pixels, scores and labels."""

    path: Path
    frames: list[Frame]
    found: list[Tensor]


def ours(long: int, precision: str | None) -> ImageModel:
    """The default model for pictures of which the long side becomes `long`; None: not accelerated."""
    model = load_model("default", device="cpu")
    model.preprocess = replace(model.preprocess, short=long, long=long)
    return accelerate(model, precision=precision) if precision else model


def tracker_of(model: ImageModel) -> Tracker:
    """That of `track`."""
    info = model.info
    return build_tracker(info.tracker, score_threshold=info.score_threshold, similarity=info.similarity)


@torch.inference_mode()
def first_frames(video: Path, num_frames: int, model: ImageModel, folder: Path) -> Clip:
    path = folder / "clip.mp4"
    with open_video(video) as source, VideoWriter(path, source.info) as writer:
        for frame in islice(source, num_frames):
            writer.write(frame.image, frame.pts)
    with open_video(path) as source:
        frames = list(source)
    found = []
    for _, instances in track_video(frames, model, tracker_of(model)):
        found.append(torch.cat([instances.boxes, instances.scores[:, None], instances.labels[:, None].float()], dim=1))
    return Clip(path, frames, found)


def peer(name: str, tracker: str, clip: Clip) -> Any:
    """A `YOLO` of random weights that finds what is in the clip."""
    from ultralytics import YOLO
    from ultralytics.models.yolo.segment import SegmentationPredictor

    class Finding(SegmentationPredictor):
        """Finds given detections, once its own network has run."""

        def postprocess(self, preds: Any, img: Tensor, orig_imgs: list[np.ndarray]) -> list:
            outputs, prototypes = preds[0]
            plant(clip.found[self.seen], outputs[0], prototypes[0], input_hw=img.shape[2:], image_hw=orig_imgs[0].shape[:2])
            return super().postprocess(preds, img, orig_imgs)

    torch.manual_seed(0)
    model = YOLO(name, task="segment")
    model.overrides |= {"tracker": f"{tracker}.yaml", "device": "cpu", "verbose": False}
    model.predict(clip.frames[0].image, predictor=Finding)  # which stays, and has the layers fused
    return model


def plant(found: Tensor, outputs: Tensor, prototypes: Tensor, *, input_hw: tuple[int, int], image_hw: tuple[int, int]) -> None:
    """Put detections into outputs [4 + classes + C, P], centre and size of boxes in the padded input, scores, mask coefficients.

    prototypes: [C, h, w]. Each is found at several places, of which one is left after suppression; all others get no score.
    """
    num_planted, num_classes = _PLACES * len(found), len(outputs) - 4 - len(prototypes)
    (height, width), found = input_hw, found.repeat(_PLACES, 1)
    scale = min(height / image_hw[0], width / image_hw[1])
    top, left = (height - scale * image_hw[0]) / 2, (width - scale * image_hw[1]) / 2
    boxes = found[:, :4] * scale + torch.tensor([left, top, left, top])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    x, y = (centres / _CELL).long().T
    outputs[4 : 4 + num_classes] = 0
    outputs[:4, :num_planted] = torch.cat([centres, boxes[:, 2:] - boxes[:, :2]], dim=1).T
    outputs[4 + found[:, 5].long(), torch.arange(num_planted)] = found[:, 4]
    # With those of its middle, an object's mask is not empty.
    outputs[4 + num_classes :, :num_planted] = prototypes[
        :, y.clamp(0, prototypes.shape[1] - 1), x.clamp(0, prototypes.shape[2] - 1)
    ]


def cost(network: torch.nn.Module, run: Callable[[], object]) -> str:
    """Parameters, and multiply-adds of a run."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    num_parameters = sum(parameter.numel() for parameter in network.parameters())
    return f"{num_parameters / 1e6:.2f} M parameters, {counter.get_total_flops() / 2e9:.2f} G multiply-adds"


class Counter(Watcher):
    """Of objects in all frames."""

    number = 0

    def frame(self, frame: Frame, instances: Instances) -> None:
        self.number += len(instances)


@dataclass
class Comparison:
    """Both at one size. num_objects, num_bytes: in all frames and of the video, as they were written last."""

    clip: Clip
    long: int
    peers: dict[str, Any]
    models: dict[str, ImageModel]
    folder: Path

    def __post_init__(self) -> None:
        self.num_objects: dict[str, int] = {}
        self.num_bytes: dict[str, int] = {}

    def sizes(self) -> None:
        """Print what the networks cost."""
        image, plain = self.clip.frames[0].image, ours(self.long, None)
        model = next(iter(self.peers.values()))
        height, width = plain.preprocess([image]).tensor.shape[2:]
        print(f"\ninput {height} x {width}")
        print(f"  ultralytics: {cost(model.predictor.model.model, lambda: self._peer_network(model))}")
        print(f"  ours: {cost(plain, lambda: plain.predict([image], min_score=tracker_of(plain).min_score))}")

    def network(self) -> dict[str, Callable[[], object]]:
        image = self.clip.frames[0].image
        functions: dict[str, Callable[[], object]] = {"ultralytics": lambda: self._peer_network(next(iter(self.peers.values())))}
        for name, model in self.models.items():
            functions[name] = partial(model.predict, [image], min_score=tracker_of(model).min_score)
        return functions

    def tracks(self, *, with_video: bool) -> dict[str, Callable[[], object]]:
        functions: dict[str, Callable[[], object]] = {}
        for tracker, model in self.peers.items():
            functions[f"ultralytics, {tracker}"] = lambda t=tracker, m=model: self._peer_tracks(t, m, with_video)
        for name, own in self.models.items():
            functions[name] = lambda name=name, own=own: self._our_tracks(name, own, with_video)
        return functions

    def _peer_network(self, model: Any) -> None:
        bgr = np.ascontiguousarray(self.clip.frames[0].image[..., ::-1])
        model.predict(bgr, imgsz=self.long, conf=0.1, save=False)

    def _peer_tracks(self, tracker: str, model: Any, with_video: bool) -> None:
        results = model.track(
            str(self.clip.path),
            stream=True,
            imgsz=self.long,
            save=with_video,
            project=str(self.folder),
            name=tracker,
            exist_ok=True,
        )
        self.num_objects[f"ultralytics, {tracker}"] = sum(len(result) for result in results)
        if with_video:
            (written,) = (self.folder / tracker).iterdir()
            self.num_bytes[f"ultralytics, {tracker}"] = written.stat().st_size

    def _our_tracks(self, name: str, model: ImageModel, with_video: bool) -> None:
        video, results = self.folder / "ours.mp4", self.folder / "ours.json"
        job = Job(
            source=str(self.clip.path),
            video=video if with_video else None,
            results=(("json", str(results)),),
            overwrite=True,
        )
        counter = Counter()
        run_job(job, lambda: model, counter)
        self.num_objects[name] = counter.number
        if with_video:
            self.num_bytes[name] = video.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--peer", default="yolo26n-seg.yaml")
    parser.add_argument("--trackers", nargs="+", default=["botsort", "bytetrack"], help="of the peer")
    parser.add_argument("--long", type=int, nargs="+", default=[416, 640], help="long side of the network's input")
    parser.add_argument("--precision", nargs="+", default=["fp32"])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"YOLO_CONFIG_DIR": folder, "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_VERBOSE": "0"}
        import ultralytics

        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
        print(f"ultralytics {ultralytics.__version__}, {args.peer}; torch {torch.__version__}, {args.threads} threads")
        for long in args.long:
            work = Path(folder, str(long))
            work.mkdir()
            compare(args, long, work)


def compare(args: argparse.Namespace, long: int, folder: Path) -> None:
    """Print everything at one size."""
    models = {f"ours, {precision}": ours(long, precision) for precision in args.precision}
    clip = first_frames(args.video, args.frames, next(iter(models.values())), folder)
    peers = {tracker: peer(args.peer, tracker, clip) for tracker in args.trackers}
    comparison = Comparison(clip, long, peers, models, folder)
    comparison.sizes()
    print(f"network, one picture of {clip.frames[0].image_hw}, {len(clip.found[0])} objects")
    show(medians(comparison.network(), repeat=5 * args.repeat), reference="ultralytics")
    num_frames = len(clip.frames)
    for title, with_video in (("tracks", False), ("tracks and an annotated video", True)):
        times = medians(comparison.tracks(with_video=with_video), repeat=args.repeat, warmup=1)
        print(f"{title}, a frame of {num_frames}")
        show({name: seconds / num_frames for name, seconds in times.items()}, reference=f"ultralytics, {args.trackers[0]}")
        print("  frames a second:", {name: round(num_frames / seconds, 1) for name, seconds in times.items()})
    print("  objects a frame:", {name: round(n / num_frames, 2) for name, n in comparison.num_objects.items()})
    print("  megabytes of video:", {name: round(n / 1e6, 2) for name, n in comparison.num_bytes.items()})


if __name__ == "__main__":
    main()
