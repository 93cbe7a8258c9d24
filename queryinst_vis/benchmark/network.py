"""An image model from pixels to run-length codes, part by part."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from queryinst_vis.analysis.counting import parts_of
from queryinst_vis.benchmark.timing import Spread, Stopwatch, repeated
from queryinst_vis.models.base import ImageModel


@dataclass(frozen=True, slots=True)
class NetworkTimes:
    """Seconds of one batch. total: without looking inside; parts: in order, what comes between two counts to the later one."""

    total: Spread
    parts: dict[str, Spread]
    num_detections: int


def time_network(model: ImageModel, images: Sequence[np.ndarray], *, repeat: int = 7, warmup: int = 4) -> NetworkTimes:
    """images: uint8 [H, W, 3] RGB, one batch. All detections are kept, whatever their score."""
    num_detections = 0

    def whole() -> Stopwatch:
        nonlocal num_detections
        watch = Stopwatch(model.device)
        results = model.predict(images)
        codes = [instances.masks.rles() for instances in results if instances.masks is not None]
        watch.mark("all")
        num_detections = sum(map(len, codes))
        return watch

    def in_parts() -> Stopwatch:
        watch = Stopwatch(model.device)
        with torch.inference_mode(), _marking(model, watch):
            batch = model.preprocess(images, model.device)
            watch.mark("preprocess")
            outputs = model(batch.tensor, batch.tensor.new_tensor(batch.sizes))
            results = model.postprocess(outputs, batch)
            watch.mark("results")
            for instances in results:
                if instances.masks is not None:
                    instances.masks.rles()
            watch.mark("RLE")
        return watch

    total = repeated(whole, repeat=repeat, warmup=warmup)["total"]
    parts = repeated(in_parts, repeat=repeat, warmup=1)
    del parts["total"]
    return NetworkTimes(total, parts, num_detections)


@contextmanager
def _marking(model: ImageModel, watch: Stopwatch) -> Iterator[None]:
    """Inside, the end of every layer of a part is a mark of that part."""

    def hook_of(name: str) -> Any:
        return lambda *_: watch.mark(name)

    handles = [module.register_forward_hook(hook_of(name)) for name, part in parts_of(model).items() for module in part.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def patches_image(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3], soft coloured patches of many sizes."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for cell in (64, 16, 4):
        rows, columns = -(-height // cell), -(-width // cell)
        patches = generator.uniform(0, 255 / 3, (rows, columns, 3))
        image += patches.repeat(cell, 0).repeat(cell, 1)[:height, :width]
    return image.astype(np.uint8)
