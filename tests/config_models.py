"""Models of the shipped configs, full size on no memory or narrow enough to run, and how many parameters they should have."""

import copy
from math import prod
from typing import Any

import torch

from queryinst_vis.config import build, load_config
from queryinst_vis.masks import BitMasks
from queryinst_vis.models import DenseQueries, LearnedQueries, Preprocess, QueryInst
from queryinst_vis.structures import ImageBatch, Targets

NARROW = {"embed_dim": 32, "num_heads": 4, "ffn_dim": 64, "dynamic_dim": 8, "max_detections": 8}
HEIGHT, WIDTH = 64, 96


def model_settings(name: str) -> dict[str, Any]:
    """`model` of a config, as plain dicts."""
    return load_config(name).to_dict()["model"]


def narrow(settings: dict[str, Any]) -> dict[str, Any]:
    """The same depth everywhere with fewer channels and queries, for small pictures. Convolutional backbones stay as they are."""
    settings = copy.deepcopy(settings) | NARROW
    settings["preprocess"] |= {"type": Preprocess, "short": HEIGHT, "long": WIDTH}
    settings["queries"] |= {"num_queries": 8, "embed_dim": 32}
    settings["queries"].pop("num_training_queries", None)
    if "track_head" in settings:
        settings["track_head"] |= {"in_dim": 32, "embed_dim": 16}
    backbone = settings["backbone"]
    if "num_heads" in backbone:  # Swin
        backbone["embed_dim"] = 4 * backbone["num_heads"][0]
    return settings


def narrow_model(settings: dict[str, Any]) -> QueryInst:
    torch.manual_seed(0)
    return build(narrow(settings))


def pictures(model: QueryInst, count: int = 2) -> ImageBatch:
    """A batch of random ones, all of one size."""
    generator = torch.Generator().manual_seed(1)
    images = [torch.randint(0, 256, (3, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8) for _ in range(count)]
    return model.preprocess.collate(images)


def two_objects() -> Targets:
    boxes = torch.tensor([[5.0, 5, 40, 40], [50, 10, 90, 60]])
    masks = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.bool)
    masks[0, 5:40, 5:40] = masks[1, 10:60, 50:90] = True
    return Targets(boxes, torch.tensor([0, 2]), BitMasks(masks), track_ids=torch.tensor([1, 2]))


def no_objects() -> Targets:
    return Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), track_ids=torch.zeros(0, dtype=torch.int64))


def total_loss(model: QueryInst, targets: list[Targets]) -> torch.Tensor:
    """Of two pictures, which are a clip for a model that learns from clips."""
    batch = pictures(model, len(targets))
    losses = model.loss(batch, targets) if model.track_head is None else model.clip_loss(batch, targets, clip_length=2)
    return sum(value for name, value in losses.items() if "loss" in name)


def expected_parameters(settings: dict[str, Any]) -> int:
    """Of QueryInst's parts by arithmetic on its settings; those of the backbone are counted in it, see test_backbones.py."""
    with torch.device("meta"):
        model = build(settings)
    width = settings.get("embed_dim", 256)
    classes, stages = settings["num_classes"], settings.get("num_stages", 6)
    attention = 4 * width * (width + 1) + 2 * width
    dynamic = width * 2 * width * _hidden(settings) + 2 * width * _hidden(settings) + 2 * _hidden(settings) + 2 * width
    ffn = settings.get("ffn_dim", 2048)
    box = (
        attention * (2 if settings.get("separate_mask_attention") else 1)
        + dynamic
        + (49 * width + 1) * width  # projection of the flattened RoI
        + 2 * width * 3  # its norm, and those after interaction and feed-forward
        + 2 * width * ffn
        + ffn
        + width
        + settings.get("num_cls_layers", 1) * (width * width + 2 * width)
        + settings.get("num_reg_layers", 3) * (width * width + 2 * width)
        + (width + 1) * (classes + 4)
    )
    mask_classes = 1 if settings.get("class_agnostic_masks") else classes
    mask = (
        settings.get("num_mask_convs", 4) * (9 * width * width + 2 * width)
        + 4 * width * width
        + width
        + (width + 1) * mask_classes
        + (dynamic if settings.get("dynamic_masks", True) else 0)
    )
    mask_heads = 1 if settings.get("last_stage_masks") else stages
    flow = (stages - 1) * (width * width + width) if settings.get("mask_flow") else 0
    channels = model.backbone.channels
    fpn = sum(c * width + width for c in channels) + len(channels) * (9 * width * width + width)
    backbone = sum(prod(p.shape) for p in model.backbone.parameters())
    return backbone + fpn + _queries(settings) + stages * box + mask_heads * mask + flow + _track_head(settings)


def _hidden(settings: dict[str, Any]) -> int:
    return settings.get("dynamic_dim", 64)


def _queries(settings: dict[str, Any]) -> int:
    queries = settings["queries"]
    if queries["type"] is LearnedQueries:
        tables = 2 if queries.get("separate_mask_embeds") else 1
        return queries["num_queries"] * (4 + tables * queries["embed_dim"])
    assert queries["type"] is DenseQueries
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(queries).parameters())


def _track_head(settings: dict[str, Any]) -> int:
    head = settings.get("track_head")
    if not head:
        return 0
    first = head["in_dim"] * head.get("roi_size", 1) ** 2
    return (first + 1) * head["embed_dim"] + (head["embed_dim"] + 1) * head["embed_dim"]
