"""A training step of mmdetection's QueryInst and of ours: forward, losses, backward, clipping and AdamW.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --data ../shared/data/coco_mini_train      # and how long ours waits for data

Both have a ResNet-18, the same weights, pictures and objects; each is optimized as its own training does it. Prints images per
second, their ratio, and both losses of the first step. With --data, a folder of pictures with COCO's NAME.json beside it, ours
then trains from files and tells how long it waits.
"""

import itertools
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet_queryinst import _Missing, _use_torchvision
from torch.optim import AdamW
from turns import medians, network_parser, show

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.config import build, load_config
from queryinst_vis.data.classes import COCO
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.loading import SampleLoader, TrainBatches
from queryinst_vis.data.transforms import RandomFlip, RandomShortSide
from queryinst_vis.masks import BitMasks
from queryinst_vis.models import QueryInst
from queryinst_vis.structures import ImageBatch, Targets
from queryinst_vis.training.model import TrainingModel
from queryinst_vis.training.on_cpu import fit_to_cpu
from queryinst_vis.training.optimizer import build_optimizer
from queryinst_vis.training.recipe import Recipe

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "golden"))
import recipe

_CONFIG = "queryinst/queryinst_r50_fpn_1x_coco.py"
_ADAMW = {"lr": 1e-6, "weight_decay": 1e-4}


def peer(num_queries: int) -> torch.nn.Module:
    """mmdetection's model, with weights by its parameters' names."""
    import mmcv

    mmcv._ext = sys.modules["mmcv._ext"] = _Missing("mmcv._ext")
    import mmdet
    import torchvision
    from mmdet.registry import MODELS
    from mmdet.structures.mask import structures
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    def roi_align(maps: Any, rois: Any, size: Any, scale: float, ratio: int, mode: str, aligned: bool) -> torch.Tensor:
        return torchvision.ops.roi_align(maps, rois, size, scale, ratio, aligned)

    structures.roi_align = roi_align  # crops the objects' masks
    register_all_modules()
    settings = Config.fromfile(Path(mmdet.__file__).parent / ".mim" / "configs" / _CONFIG).model
    _use_torchvision(settings)
    settings.backbone.init_cfg, settings.backbone.depth = None, 18
    settings.neck.in_channels = [64, 128, 256, 512]
    settings.rpn_head.num_proposals = settings.test_cfg.rcnn.max_per_img = num_queries
    model = MODELS.build(settings)
    weights = {name: recipe.weights(name, tuple(value.shape)) for name, value in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()})
    return model.train()


def ours(num_queries: int, weights: dict[str, torch.Tensor] | None) -> QueryInst:
    settings = load_config("queryinst_r50_36e_coco").model
    settings.backbone.depth, settings.queries.num_queries = 18, num_queries
    model = build(settings)
    if weights:
        assert load_weights(model, weights).is_complete
    return model.train()


def pictures(count: int, height: int, width: int, num_objects: int) -> tuple[ImageBatch, list[Targets]]:
    """Of the golden numbers' recipe; sides are multiples of 32."""
    images = torch.stack([torch.from_numpy(recipe.image(seed, height, width)) for seed in range(count)])
    targets = []
    for seed in range(count):
        boxes, labels, masks = map(torch.from_numpy, recipe.truth(seed, height, width, num_objects, 80))
        targets.append(Targets(boxes.float(), labels.long(), BitMasks(masks.bool())))
    sizes = [(height, width)] * count
    return ImageBatch(images, sizes, list(sizes)), targets


def peer_samples(batch: ImageBatch, targets: list[Targets]) -> list[Any]:
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    samples = []
    for size, target in zip(batch.sizes, targets, strict=True):
        facts = {"img_shape": size, "ori_shape": size, "pad_shape": size, "scale_factor": (1.0, 1.0), "batch_input_shape": size}
        masks = BitmapMasks(target.masks.bitmaps().numpy().astype(np.uint8), *size)  # type: ignore[union-attr]
        sample = DetDataSample(metainfo=facts)
        sample.gt_instances = InstanceData(bboxes=target.boxes, labels=target.labels, masks=masks)
        samples.append(sample)
    return samples


class Steps:
    """Steps of one model as its recipe makes them."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.first_loss: float | None = None

    @classmethod
    def of_peer(cls, model: torch.nn.Module) -> "Steps":
        return cls(AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], **_ADAMW))

    @classmethod
    def of_ours(cls, model: QueryInst) -> "Steps":
        fit_to_cpu(model)
        recipe = Recipe(model={"type": QueryInst}, optimizer={"type": AdamW, **_ADAMW})
        return cls(build_optimizer(recipe, model).optimizer)

    def __call__(self, losses: dict[str, Any]) -> None:
        loss = sum(value.sum() for name, value in losses.items() if "loss" in name)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[union-attr]
        torch.nn.utils.clip_grad_norm_(self._parameters, 0.1)
        self._optimizer.step()
        if self.first_loss is None:
            self.first_loss = float(loss.detach())  # type: ignore[union-attr]


def waiting(folder: Path, num_queries: int, *, short: int, batch_size: int, num_workers: int, num_steps: int) -> None:
    """Trains from files and prints how long a step waits."""
    transforms = [RandomShortSide(shorts=[short], long=2 * short), RandomFlip()]
    dataset = CocoDataset(folder.with_suffix(".json"), folder, classes=COCO, transforms=transforms, training=True)
    loader = SampleLoader(dataset, TrainBatches(len(dataset), batch_size, seed=0), num_workers=num_workers)
    model = TrainingModel(ours(num_queries, None))
    step, waited, worked = Steps.of_ours(model.model), [], []
    samples = iter(loader)
    for _ in itertools.repeat(None, num_steps):
        begun = time.perf_counter()
        batch = next(samples)
        loaded = time.perf_counter()
        step(model(batch, mode="loss"))
        waited.append(loaded - begun)
        worked.append(time.perf_counter() - loaded)
    loader.close()
    share = sum(waited[2:]) / (sum(waited[2:]) + sum(worked[2:]))
    print(
        f"from files, short side {short}, {num_workers} loader processes, {num_steps} steps of {batch_size}: a step waits "
        f"{1000 * statistics.median(waited[2:]):.1f} ms for data and works {1000 * statistics.median(worked[2:]):.0f} ms; "
        f"{100 * share:.2f} % of the time is waiting"
    )


def main() -> None:
    parser = network_parser(__doc__, height=256, width=384)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--objects", type=int, default=6)
    parser.add_argument("--data", type=Path, help="folder of pictures")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=30, help="from files")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    theirs = peer(args.queries)
    mine = ours(args.queries, theirs.state_dict())
    batch, targets = pictures(args.batch, args.height, args.width, args.objects)
    step_theirs, step_mine = Steps.of_peer(theirs), Steps.of_ours(mine)
    functions = {
        "mmdetection": lambda: step_theirs(theirs.loss(batch.tensor, peer_samples(batch, targets))),
        "ours": lambda: step_mine(mine.loss(batch, targets)),
    }
    counts = [sum(p.numel() for p in model.parameters() if p.requires_grad) for model in (theirs, mine)]
    print(
        f"ResNet-18, {args.queries} queries, {args.batch} pictures of {args.height} x {args.width} with {args.objects} objects, "
        f"{args.threads} threads, torch {torch.__version__}; parameters that learn: {counts[0]} and {counts[1]}"
    )
    times = medians(functions, repeat=args.repeat)
    print(f"loss of the first step: {step_theirs.first_loss:.4f} and {step_mine.first_loss:.4f}")
    show(times, reference="mmdetection")
    for name, seconds in times.items():
        print(f"{name}: {args.batch / seconds:.2f} images per second")
    if args.data:
        waiting(args.data, args.queries, short=args.height, batch_size=args.batch, num_workers=args.workers, num_steps=args.steps)


if __name__ == "__main__":
    main()
