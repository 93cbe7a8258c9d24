"""Started by torchrun in test_distributed.py: losses and gradients of each process's share of a batch, written to sys.argv[1]."""

import sys

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from torch import nn

from queryinst_vis.config import build
from queryinst_vis.data.sample import Sample
from queryinst_vis.masks import BitMasks
from queryinst_vis.models.backbones import ResNet
from queryinst_vis.models.queries import LearnedQueries
from queryinst_vis.models.queryinst import QueryInst
from queryinst_vis.ops.distributed import average_buffers
from queryinst_vis.structures import Targets
from queryinst_vis.training.model import TrainingModel

CASES = {"unequal": (1, 4), "none on one": (0, 3), "one in all": (0, 1), "none": (0, 0), "boxes only on one": (2, 2)}


def make_model() -> TrainingModel:
    """The same weights in every process; batch norm in eval mode."""
    torch.manual_seed(0)
    model = build(
        {
            "type": QueryInst,
            "backbone": {"type": ResNet, "depth": 18},
            "queries": {"type": LearnedQueries, "num_queries": 8, "embed_dim": 16},
            "num_classes": 3,
            "num_stages": 2,
            "embed_dim": 16,
            "num_heads": 2,
            "ffn_dim": 32,
            "dynamic_dim": 8,
            "num_mask_convs": 1,
        }
    )
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return TrainingModel(model).eval()


def make_samples(case: str) -> list[Sample]:
    """One image for each of two processes, of one size, with as many objects as the case says."""
    rng = torch.Generator().manual_seed(1)
    samples = []
    for index, count in enumerate(CASES[case]):
        corners = torch.rand(count, 2, generator=rng) * 60
        boxes = torch.cat([corners, corners + 20 + torch.rand(count, 2, generator=rng) * 40], 1)
        masks = torch.zeros(count, 128, 128, dtype=torch.bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
            mask[y0:y1, x0:x1] = True
        labels = torch.randint(3, (count,), generator=rng)
        has_masks = count and not (case == "boxes only on one" and index == 1)
        targets = Targets(boxes, labels, masks=BitMasks(masks) if has_masks else None)
        image = torch.randint(256, (3, 128, 128), generator=rng, dtype=torch.uint8)
        samples.append(Sample(image, targets, index, (128, 128), f"{index}.jpg"))
    return samples


def losses_and_gradients(model: nn.Module, samples: list[Sample]) -> tuple[dict, dict]:
    """Named losses, and gradients by parameter name; a parameter without one counts as zero."""
    model.zero_grad()
    losses = model(samples, mode="loss")
    sum(value for name, value in losses.items() if "loss" in name).backward()
    inner = getattr(model, "module", model)
    gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in inner.named_parameters()}
    return {name: value.detach() for name, value in losses.items()}, gradients


def main(path: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    model = MMDistributedDataParallel(make_model(), broadcast_buffers=False)
    results = {}
    for case in CASES:
        losses, gradients = losses_and_gradients(model, make_samples(case)[dist.get_rank() :: 2])
        for value in losses.values():
            dist.all_reduce(value)
            value /= 2
        results[case] = losses, gradients
    statistics = nn.BatchNorm1d(3)
    statistics.running_mean += dist.get_rank()
    average_buffers(statistics)
    results["running mean"] = statistics.running_mean
    if dist.get_rank() == 0:
        torch.save(results, path)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
