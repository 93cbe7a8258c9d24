"""The way of a GPU: on the CPU with its operations one by one, on GPUs without numbers, and on a real one where there is one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from config_models import model_settings, narrow_model
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from queryinst_vis.acceleration import accelerate
from queryinst_vis.acceleration.cuda_graphs import GraphedNetwork
from queryinst_vis.checkpoint import load_model
from queryinst_vis.models import QueryInst
from queryinst_vis.models import base as base_module
from queryinst_vis.models.base import ImageModel
from queryinst_vis.ops import resize as resize_module
from queryinst_vis.ops.device_paste import crossing_pixels
from queryinst_vis.ops.host_copy import packed
from queryinst_vis.structures import Instances
from queryinst_vis.video import open_video

CONFIGS = (
    "queryinst_nano_coco_mini",
    "queryinst_r50_36e_coco",
    "queryinst_r50_mask_flow_36e_coco",
    "queryinst_vis_r50_roi_12e_ytvis2019",
)


@pytest.fixture(scope="module")
def images(repo_root: Path) -> list[np.ndarray]:
    with open_video(repo_root / "demo" / "clip.mp4", max_frames=2) as video:
        return [frame.image for frame in video]


def assert_same(found: Sequence[Instances], expected: Sequence[Instances], *, atol: float = 1e-4) -> None:
    assert sum(map(len, expected)) > 1
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.image_hw == theirs.image_hw
        assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.query_ids, theirs.query_ids)
        for name in ("boxes", "scores", "class_scores", "embeds"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=atol, rtol=1e-4)
        torch.testing.assert_close(ours.masks.probabilities, theirs.masks.probabilities, atol=atol, rtol=1e-4)
        assert ours.masks.iou(theirs.masks).diagonal().min() > 0.999


# On the CPU


def test_all_at_once_gives_what_the_usual_way_gives(images: list[np.ndarray]) -> None:
    model = load_model("default", device="cpu")
    expected = model.predict(images, min_score=0.3)
    model.detect_at_once = model.detect
    found = model.predict(images, min_score=0.3)
    assert_same(found, expected)
    assert [each.masks.rles() for each in found] == [each.masks.rles() for each in expected]


def test_masks_come_pasted(images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("default", device="cpu")
    model.detect_at_once = model.detect
    (found,) = model.predict(images[:1], min_score=0.3)
    monkeypatch.setattr("queryinst_vis.masks.paste_runs", None)
    assert len(found.masks.rles()) == len(found)
    assert len(list(found[:2].masks.windows())) == 2


def test_the_host_pastes_what_the_device_has_no_room_for(images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("default", device="cpu")
    model.detect_at_once = model.detect
    (expected,) = model.predict(images[:1], min_score=0.3)
    monkeypatch.setattr("queryinst_vis.models.detections._CAPACITY", 100)
    (found,) = model.predict(images[:1], min_score=0.3)
    assert found.masks.rles() == expected.masks.rles()


def test_images_without_objects(images: list[np.ndarray]) -> None:
    model = load_model("default", device="cpu")
    model.detect_at_once = model.detect
    for found in model.predict(images, min_score=1.0):
        assert len(found) == 0
        assert found.masks.rles() == []


# Graphs


class Recorder:
    """Stands for CUDA's graphs: remembers what was recorded and replayed."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, ...]] = []
        self.replayed: list[tuple[int, ...]] = []

    def __call__(self, network: Callable, inputs: Sequence[Tensor]) -> Callable:
        shape = tuple(inputs[0].shape)
        self.recorded.append(shape)

        def replay(*inputs: Tensor) -> Sequence[Tensor]:
            assert tuple(inputs[0].shape) == shape
            self.replayed.append(shape)
            return network(*inputs)

        return replay


def double(x: Tensor) -> tuple[Tensor]:
    return (2 * x,)


def call(network: GraphedNetwork, *lengths: int) -> None:
    for length in lengths:
        (found,) = network(torch.ones(length))
        assert found.tolist() == [2.0] * length


def test_shapes_that_come_again_are_recorded() -> None:
    recorder = Recorder()
    network = GraphedNetwork(double, record=recorder, patience=2)
    call(network, 3, 5, 3, 7)
    assert recorder.recorded == []
    call(network, 3, 3, 5)
    assert recorder.recorded == [(3,)]
    assert recorder.replayed == [(3,), (3,)]


def test_types_of_numbers_are_told_apart() -> None:
    recorder = Recorder()
    network = GraphedNetwork(double, record=recorder, patience=0)
    network(torch.ones(3))
    network(torch.ones(3, dtype=torch.float64))
    assert recorder.recorded == [(3,), (3,)]


def test_the_graph_that_was_not_used_for_longest_goes() -> None:
    recorder = Recorder()
    network = GraphedNetwork(double, record=recorder, patience=0, capacity=2)
    call(network, 3, 5, 3, 7, 3, 5)
    assert recorder.recorded == [(3,), (5,), (7,), (5,)]


def test_what_cannot_be_recorded_runs_without(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(network: Callable, inputs: Sequence[Tensor]) -> Callable:
        refusals.append(inputs)
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    refusals: list[Sequence[Tensor]] = []
    network = GraphedNetwork(double, record=refuse, patience=0)
    call(network, 3)
    call(network, 3, 5)
    assert caplog.messages == ["the network runs without CUDA graphs (operation not permitted when stream is capturing)"]
    assert len(refusals) == 1


# A GPU without numbers


class Watched(TorchDispatchMode):
    """While entered: operators that a graph cannot hold, because they bring numbers from the host or make it wait."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.num_calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.num_calls += 1
        devices = {leaf.device.type for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor) and leaf.ndim}
        if len(devices) > 1 or "lift_fresh" in str(func):
            self.wrong.append(str(func))
        return out


@contextmanager
def on_fake_gpu(model: QueryInst) -> Iterator[Callable[..., Tensor]]:
    """The model there, for good; gives what makes tensors there. Operators whose shapes depend on numbers raise."""
    with FakeTensorMode(), torch.inference_mode():

        def tensor(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device="cuda")

        for module in model.modules():
            for name, parameter in list(module._parameters.items()):
                if parameter is not None:
                    fake = tensor(*parameter.shape, dtype=parameter.dtype)
                    module._parameters[name] = nn.Parameter(fake, requires_grad=False)
            for name, buffer in list(module._buffers.items()):
                if buffer is not None:
                    module._buffers[name] = tensor(*buffer.shape, dtype=buffer.dtype)
        try:
            yield tensor
        finally:
            for cached in (base_module._per_channel, resize_module._taps):
                cached.cache_clear()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_nothing_waits_for_the_host(name: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = narrow_model(model_settings(name))
    monkeypatch.setattr(ImageModel, "device", torch.device("cuda"))
    accelerate(model, precision=precision)
    assert isinstance(model.detect_at_once, GraphedNetwork)
    with on_fake_gpu(model) as tensor, Watched() as watched:
        outputs = model.detect(tensor(2, 3, 64, 96), tensor(2, 2), tensor())
        assert {field.device.type for field in outputs} == {"cuda"}
        assert {len(field) for field in outputs} == {2 * model.max_detections}
        assert len(packed(outputs)) == sum(field.nbytes for field in outputs)
    assert watched.num_calls > 100
    assert watched.wrong == []


def test_pixels_are_resized_and_masks_pasted_there() -> None:
    model = narrow_model(model_settings("queryinst_r50_36e_coco")).eval()
    with on_fake_gpu(model) as tensor:
        pictures = [tensor(90, 160, 3, dtype=torch.uint8)] * 2
        model.preprocess.of_tensors(pictures)  # what is uploaded once for a size
        with Watched() as watched:
            batch = model.preprocess.of_tensors(pictures)
            masks, boxes, shown = tensor(5, 28, 28), tensor(5, 4), tensor(5, dtype=torch.bool)
            pixels, counts = crossing_pixels(masks, boxes, shown, (90, 160), 0.5, capacity=1000)
    assert {x.device.type for x in (batch.tensor, pixels, counts)} == {"cuda"}
    assert watched.wrong == []


# A real one


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("precision", "atol"), [("fp32", 0.02), ("fp16", 0.1), ("bf16", 0.5)])
def test_a_gpu_finds_what_the_cpu_finds(images: list[np.ndarray], precision: str, atol: float) -> None:
    expected = load_model("default", device="cpu").predict(images[:1], min_score=0.3)
    model = accelerate(load_model("default", device="cuda"), precision=precision)
    for _ in range(5):
        found = model.predict(images[:1], min_score=0.25)
    assert model.detect_at_once._graphs
    overlap = found[0].masks.iou(expected[0].masks) * (found[0].labels[:, None] == expected[0].labels)
    assert overlap.amax(0).min() > 0.9
    nearest = overlap.argmax(0)
    assert (found[0].scores[nearest] - expected[0].scores).abs().max() < 0.05
    assert (found[0].boxes[nearest] - expected[0].boxes).abs().max() < 20 * atol
