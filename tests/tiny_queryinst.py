"""A real model as small as they get, with random weights, and what its file says of it."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from queryinst_vis.config import build
from queryinst_vis.models import LearnedQueries, ModelInfo, Preprocess, QueryInst
from queryinst_vis.models.backbones import ShuffleNetV2


def tiny_model(*, num_classes: int = 2, num_queries: int = 3) -> QueryInst:
    """Of other weights each time."""
    model = build(
        {
            "type": QueryInst,
            "backbone": {"type": ShuffleNetV2},
            "queries": {"type": LearnedQueries, "num_queries": num_queries, "embed_dim": 16},
            "num_classes": num_classes,
            "num_stages": 1,
            "embed_dim": 16,
            "num_heads": 2,
            "ffn_dim": 16,
            "dynamic_dim": 4,
            "preprocess": {"type": Preprocess, "short": 64, "long": 128},
        }
    )
    model.info = ModelInfo(("cat", "dog")[:num_classes], tracker="iou")
    return model.eval()


def change_architecture(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """What a weights file says its model is made of."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    described = json.loads(header["__metadata__"]["queryinst_vis"])
    change(described["architecture"])
    header["__metadata__"]["queryinst_vis"] = json.dumps(described)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[end:])
