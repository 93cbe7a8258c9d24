"""How time and memory grow: with queries, resolution, objects, tracks alive, the length of a video and the tracks seen in it.

    python -m pip install matplotlib
    python benchmarks/growth.py --plots docs/images

Prints a table for each and draws `growth_NAME.png`. Seconds are of this process on all its threads (CPU) and by the clock. A
line is fitted to what should be one; of what should be flat, the last quarter is compared with the first.
"""

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from queryinst_vis.acceleration import accelerate
from queryinst_vis.analysis import analyze_model
from queryinst_vis.benchmark.network import patches_image
from queryinst_vis.benchmark.timing import machine
from queryinst_vis.checkpoint import load_model
from queryinst_vis.config import build, load_config
from queryinst_vis.jobs.job import Job, Watcher, run_job
from queryinst_vis.masks import RoiMasks
from queryinst_vis.models.base import ImageModel, ModelInfo, Preprocess
from queryinst_vis.results import open_result
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.trackers import build_tracker
from queryinst_vis.visualization import Trails, draw_instances

RATE = Fraction(1, 25)
CLASSES = tuple(f"class {number}" for number in range(80))


@dataclass(slots=True)
class Curve:
    """x, and for each: milliseconds of CPU and by the clock, and mebibytes. is_flat: that is expected of it, else a line."""

    name: str
    x_title: str
    memory_title: str
    is_flat: bool = False
    x: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def add(self, x: float, seconds: tuple[float, float], num_bytes: float) -> None:
        values = x, 1000 * seconds[0], 1000 * seconds[1], num_bytes / 2**20
        for column, value in zip((self.x, self.cpu, self.wall, self.memory), values, strict=True):
            column.append(value)

    def verdict(self, values: Sequence[float]) -> str:
        """In words, how near to what is expected."""
        if self.is_flat:
            part = max(len(values) // 4, 1)
            change = statistics.median(values[-part:]) / statistics.median(values[:part]) - 1
            return f"{100 * change:+.1f} % from the first quarter to the last"
        slope, start = np.polyfit(self.x, values, 1)
        off = np.abs(start + slope * np.array(self.x) - values).max() / max(np.mean(values), 1e-12)
        return f"{start:.3g} + {slope:.3g} x, off by at most {100 * off:.0f} % of the mean"


def in_turns(runs: dict[float, Callable[[], object]], repeat: int) -> dict[float, tuple[float, float]]:
    """Median seconds of each: CPU, clock."""
    seconds: dict[float, list[tuple[float, float]]] = {x: [] for x in runs}
    for turn in range(repeat + 1):
        for x, run in runs.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            if turn:  # the first is a warm-up
                seconds[x].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {x: tuple(map(statistics.median, zip(*pairs, strict=True))) for x, pairs in seconds.items()}  # type: ignore[misc]


# The network


def queries(*, quick: bool) -> Curve:
    """R-50 with random weights at 360 x 640; 10 detections, whatever the number of queries."""
    curve = Curve("queries", "queries (R-50, 360 x 640, 10 detections kept)", "activations, counted")
    image = patches_image(360, 640)
    models = {}
    for number in (10, 50) if quick else (10, 50, 100, 200, 300):
        settings = load_config("queryinst_r50_36e_coco").model
        settings.queries.num_queries, settings.max_detections = number, 10
        settings.preprocess.short, settings.preprocess.long = 360, 640
        models[number] = build(settings).eval()
    memory = {number: analyze_model(model, (360, 640)).peak_bytes for number, model in models.items()}
    runs = {number: _whole(accelerate(model), image) for number, model in models.items()}
    for number, seconds in in_turns(runs, 2 if quick else 7).items():
        curve.add(number, seconds, memory[number])
    return curve


def resolution(*, quick: bool) -> Curve:
    """The default model on pictures of 16:9; 10 detections, whatever the size."""
    curve = Curve("resolution", "megapixels of the network's input (default model, 10 detections kept)", "activations, counted")
    image = patches_image(720, 1280)
    runs, memory, models = {}, {}, {}
    for short in (160, 320) if quick else (160, 320, 480, 640, 800):
        model = load_model("default", device="cpu")
        model.max_detections = 10
        model.preprocess = Preprocess(short, 2 * short, model.preprocess.mean, model.preprocess.std)
        batch = model.preprocess([image])
        x = batch.tensor[0, 0].numel() / 1e6
        memory[x] = analyze_model(model, batch.sizes[0]).peak_bytes
        models[x] = accelerate(model)
        runs[x] = _whole(models[x], image)
    for x, seconds in in_turns(runs, 2 if quick else 7).items():
        curve.add(x, seconds, memory[x])
    return curve


def _whole(model: ImageModel, image: np.ndarray) -> Callable[[], object]:
    """From pixels to run-length codes."""
    return lambda: [instances.masks.rles() for instances in model.predict([image])]  # type: ignore[union-attr]


# What comes after it


def detections(count: int, image_hw: tuple[int, int], *, seed: int = 0, size: float = 100) -> Instances:
    """Ellipses in boxes that do not lie on each other much, each with an embedding of its own."""
    rng = np.random.default_rng(seed)
    height, width = image_hw
    centres = rng.uniform(0.1, 0.9, (count, 2)) * [width, height]
    sizes = size * rng.uniform(0.8, 1.25, (count, 2)) / 2
    boxes = torch.from_numpy(np.concatenate([centres - sizes, centres + sizes], 1)).float()
    grid = (np.arange(28) - 13.5) / 14
    shape = torch.from_numpy(1 / (1 + np.exp(8 * (grid[:, None] ** 2 + grid**2 - 0.8)))).float()
    return Instances(
        image_hw,
        boxes,
        scores=torch.full((count,), 0.9),
        labels=torch.arange(count) % len(CLASSES),
        class_scores=torch.nn.functional.one_hot(torch.arange(count) % len(CLASSES), len(CLASSES)).float() * 0.9,
        masks=RoiMasks(shape.expand(count, -1, -1), boxes, image_hw),
        embeds=torch.from_numpy(rng.standard_normal((count, 128))).float(),
        query_ids=torch.arange(count),
    )


def objects(*, quick: bool) -> Curve:
    """Tracking, drawing and JSON of a frame of 720p."""
    curve = Curve("objects", "objects in a frame of 720p (tracking, drawing, JSON)", "held within a frame")
    runs, memory = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (0, 20) if quick else (0, 5, 10, 20, 40, 60, 80, 100):
            runs[count] = _host_work(count, Path(folder, f"{count}.json"))
            runs[count]()
            tracemalloc.start()
            runs[count]()
            memory[count] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        for count, seconds in in_turns(runs, 3 if quick else 31).items():
            curve.add(count, seconds, memory[count])
    return curve


def _host_work(count: int, path: Path) -> Callable[[], None]:
    image, tracker, trails = patches_image(720, 1280), build_tracker("query_match", score_threshold=0.3), Trails()
    info = VideoInfo(1280, 720, 1 / RATE, RATE, num_frames=None, duration=None)
    results = open_result("json", path, video_name="in.mp4", info=info, classes=CLASSES)
    index = -1

    def frame() -> None:
        nonlocal index
        index += 1
        found = detections(count, (720, 1280))
        tracked = tracker.update(found, time=float(index * RATE))
        results.add(Frame(image, index, index, RATE), tracked)
        draw_instances(image, tracked, classes=CLASSES, trails=trails)

    return frame


def tracks_alive(*, quick: bool) -> Curve:
    """20 objects of many that are waited for, in one frame after the other."""
    curve = Curve("tracks_alive", "tracks alive (20 of them in the frame, query_match)", "state of the tracker")
    runs, memory = {}, {}
    for count in (20, 100) if quick else (20, 64, 128, 256, 384, 500):
        tracker = build_tracker("query_match", score_threshold=0.3, patience=1e6)
        everything = detections(count, (2160, 3840), size=20)
        tracker.update(everything, time=0.0)
        memory[count] = _size_of(tracker.state_dict())
        clock = iter(range(1, 1_000_000))
        runs[count] = lambda tracker=tracker, clock=clock, some=everything[:20]: tracker.update(some, time=float(next(clock)))
    for count, seconds in in_turns(runs, 3 if quick else 51).items():
        curve.add(count, seconds, memory[count])
    return curve


def _size_of(state: Any) -> int:
    """Bytes of its tensors."""
    if isinstance(state, torch.Tensor):
        return state.nbytes
    return sum(map(_size_of, state.values())) if isinstance(state, dict) else 0


# Whole videos


class Passing(ImageModel):
    """Without a network: objects that live for a while, so many in every frame, each another one when its time is over."""

    def __init__(self, *, count: int, life: int) -> None:
        super().__init__(preprocess=Preprocess())
        self.info = ModelInfo(classes=CLASSES)
        self._count, self._life, self._index = count, life, 0

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        self._index += 1
        seeds = [
            self._count * ((self._index + row * self._life // self._count) // self._life) + row for row in range(self._count)
        ]
        rows = [detections(1, images[0].shape[:2], seed=seed, size=24) for seed in seeds]
        return [_joined(rows)]


def _joined(rows: Sequence[Instances]) -> Instances:
    columns = {name: torch.cat([getattr(row, name) for row in rows]) for name in ("boxes", "scores", "class_scores", "embeds")}
    masks, count = RoiMasks.cat([row.masks for row in rows]), len(rows)  # type: ignore[misc]
    labels = torch.arange(count)
    return Instances(rows[0].image_hw, labels=labels, masks=masks, query_ids=labels.clone(), **columns)


@dataclass(slots=True)
class Gauge(Watcher):
    """Every so many frames: the seconds of one, and what this process has in memory."""

    curve: Curve
    every: int
    by_tracks: bool
    num_frames: int = 0
    last_id: int = 0
    began: tuple[float, float] = (0.0, 0.0)

    def frame(self, frame: Frame, instances: Instances) -> None:
        self.num_frames += 1
        if instances.track_ids is not None and len(instances):
            self.last_id = max(self.last_id, int(instances.track_ids.max()))
        if self.num_frames % self.every:
            return
        now = time.process_time(), time.perf_counter()
        if self.num_frames > self.every:  # the first is a warm-up
            seconds = tuple((end - begin) / self.every for begin, end in zip(self.began, now, strict=True))
            x = self.last_id if self.by_tracks else self.num_frames
            self.curve.add(x, seconds, _resident_bytes())  # type: ignore[arg-type]
        self.began = now


def _resident_bytes() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return 1024 * int(line.split()[1])


def video_length(*, quick: bool) -> Curve:
    """Decoded pictures to video and JSON, all but a network."""
    curve = Curve("video_length", "frame of the video (160 x 288, 8 objects, all but the network)", "resident", is_flat=True)
    return _whole_video(curve, Passing(count=8, life=400), num_frames=1000 if quick else 12000, by_tracks=False)


def tracks_seen(*, quick: bool) -> Curve:
    """The same with objects that live for eight frames only: a new one in every frame."""
    curve = Curve("tracks_seen", "tracks seen until then (8 at a time, each for 8 frames)", "resident", is_flat=True)
    return _whole_video(curve, Passing(count=8, life=8), num_frames=1000 if quick else 8000, by_tracks=True)


def _whole_video(curve: Curve, model: Passing, *, num_frames: int, by_tracks: bool) -> Curve:
    image = patches_image(160, 288)

    def pictures() -> Iterator[np.ndarray]:
        for index in range(num_frames):
            yield cv2.circle(image.copy(), (index % 288, 80), 9, (255, 255, 255), cv2.FILLED)

    with tempfile.TemporaryDirectory() as folder:
        outputs = {"video": Path(folder, "out.mp4"), "results": (("json", str(Path(folder, "out.json"))),)}
        gauge = Gauge(curve, num_frames // 20, by_tracks)
        run_job(Job(source=pictures(), fps=1 / RATE, **outputs), lambda: model.eval(), gauge)
    return curve


CURVES = {curve.__name__: curve for curve in (video_length, tracks_seen, tracks_alive, objects, resolution, queries)}


def show(curve: Curve) -> None:
    print(f"\n{curve.x_title}\n{'':>12}{'CPU ms':>10}{'clock ms':>10}{'MiB':>10}")
    for x, cpu, wall, memory in zip(curve.x, curve.cpu, curve.wall, curve.memory, strict=True):
        print(f"{x:>12g}{cpu:>10.2f}{wall:>10.2f}{memory:>10.2f}")
    print(f"CPU ms: {curve.verdict(curve.cpu)}\nMiB ({curve.memory_title}): {curve.verdict(curve.memory)}")


def draw(curve: Curve, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.6), dpi=100, layout="constrained")
    left.plot(curve.x, curve.cpu, "o-", ms=3, label="CPU")
    left.plot(curve.x, curve.wall, "o--", ms=3, lw=1, label="clock")
    left.set_ylabel("ms a frame")
    left.legend(frameon=False)
    right.plot(curve.x, curve.memory, "o-", ms=3, color="tab:green")
    right.set_ylabel(f"MiB {curve.memory_title}")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(curve.x_title, fontsize=9)
    figure.savefig(path, pil_kwargs={"optimize": True})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--plots", type=Path, help="folder for the pictures")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few and small, to try it")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(machine(torch.device("cpu")))
    for name in args.only:
        curve = CURVES[name](quick=args.quick)
        show(curve)
        if args.plots:
            draw(curve, args.plots / f"growth_{name}.png")


if __name__ == "__main__":
    main()
