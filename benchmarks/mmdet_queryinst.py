"""mmdetection's QueryInst and ours: the same weights, the same image, from the network's input to run-length codes.

    python benchmarks/mmdet_queryinst.py --queries 100

mmdetection pastes and encodes the masks of all queries, ours those of the best `--keep`. Its compiled operations are replaced by
torchvision's. Weights and image are made as the golden numbers' are (tests/golden/recipe.py).
"""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from turns import medians, network_parser, show

from queryinst_vis.acceleration import accelerate
from queryinst_vis.checkpoint import load_weights
from queryinst_vis.config import build, load_config
from queryinst_vis.masks import BitMasks
from queryinst_vis.models import QueryInst
from queryinst_vis.structures import ImageBatch, Instances

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "golden"))
import recipe

_CONFIG = "queryinst/queryinst_r50_fpn_1x_coco.py"


class _Missing(types.ModuleType):
    """Stands for mmcv's compiled operations; nothing of it may be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"mmcv's operation {name} was called")

        return missing


def peer(num_queries: int) -> torch.nn.Module:
    """mmdetection's model with weights by its parameters' names."""
    import mmcv

    mmcv._ext = sys.modules["mmcv._ext"] = _Missing("mmcv._ext")
    import mmdet
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    register_all_modules()
    settings = Config.fromfile(Path(mmdet.__file__).parent / ".mim" / "configs" / _CONFIG).model
    _use_torchvision(settings)
    settings.backbone.init_cfg = None
    settings.rpn_head.num_proposals = settings.test_cfg.rcnn.max_per_img = num_queries
    model = MODELS.build(settings).eval()
    weights = {name: recipe.weights(name, tuple(value.shape)) for name, value in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()})
    return model


def _use_torchvision(settings: Any) -> None:
    """For RoIAlign, wherever it stands."""
    for value in settings.values() if isinstance(settings, dict) else settings if isinstance(settings, list) else ():
        _use_torchvision(value)
    if isinstance(settings, dict) and settings.get("type") == "RoIAlign":
        settings["use_torchvision"] = True


def ours(weights: dict[str, torch.Tensor], num_queries: int, keep: int) -> QueryInst:
    settings = load_config("queryinst_r50_36e_coco").model
    settings.queries.num_queries, settings.max_detections = num_queries, keep
    model = build(settings)
    assert load_weights(model, weights).is_complete
    return model.eval()


def network_input(height: int, width: int) -> ImageBatch:
    """One image, padded as both want it."""
    canvas = torch.zeros(1, 3, -(-height // 32) * 32, -(-width // 32) * 32)
    canvas[0, :, :height, :width] = torch.from_numpy(recipe.image(21, height, width))
    return ImageBatch(canvas, [(height, width)], [(height, width)])


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--keep", type=int, help="detections of ours (default: 20, or 10 with 10 queries)")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    reference = peer(args.queries)
    keep = args.keep or min(args.queries, 10 if args.queries <= 10 else 20)
    weights = reference.state_dict()
    batch = network_input(args.height, args.width)
    exact = ours(weights, args.queries, keep)
    fast = {name: accelerate(ours(weights, args.queries, keep), precision=name) for name in args.precision}

    @torch.inference_mode()
    def of_peer() -> list[Any]:
        found = _predict(reference, batch)
        return [coco_mask.encode(np.asfortranarray(mask)) for mask in found.masks.numpy().astype(np.uint8)]

    @torch.inference_mode()
    def of_ours(model: QueryInst) -> Instances:
        (found,) = model.postprocess(model(batch.tensor, batch.tensor.new_tensor(batch.sizes)), batch)
        found.masks.rles()  # type: ignore[union-attr]
        return found

    print(f"{args.height} x {args.width}, {args.queries} queries, {keep} kept, {args.threads} threads, torch {torch.__version__}")
    with torch.inference_mode():
        expected = _predict(reference, batch)
        for name, model in {"plain": exact, **fast}.items():
            model.max_detections = 3 * keep  # whatever changed places with the next ones is still there
            _compare(name, expected, of_ours(model), best=keep)
            model.max_detections = keep
    functions = {"mmdetection": of_peer, "ours, plain": lambda: of_ours(exact)}
    functions |= {f"ours, {name}": lambda model=model: of_ours(model) for name, model in fast.items()}  # type: ignore[misc]
    with torch.inference_mode():
        functions["mmdetection's features alone"] = lambda: reference.extract_feat(batch.tensor)
        show(medians(functions, repeat=args.repeat), reference="mmdetection")


def _predict(model: torch.nn.Module, batch: ImageBatch) -> Any:
    from mmdet.structures import DetDataSample

    (size,) = batch.sizes
    facts = {"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0), "batch_input_shape": tuple(batch.tensor.shape[2:])}
    return model.predict(batch.tensor, [DetDataSample(metainfo=facts)])[0].pred_instances


def _compare(name: str, theirs: Any, found: Instances, *, best: int) -> None:
    """How many of the peer's best detections are among ours, with the same class and nearly the same mask, and how close."""
    masks = BitMasks(theirs.masks[:best].to(torch.bool))
    overlap = masks.iou(found.masks) * (theirs.labels[:best, None] == found.labels)  # type: ignore[arg-type]
    iou, nearest = overlap.max(1)
    matched = iou >= 0.9
    boxes = (theirs.bboxes[:best] - found.boxes[nearest]).abs().amax(1)[matched]
    scores = (theirs.scores[:best] - found.scores[nearest]).abs()[matched]
    print(
        f"{name}: {int(matched.sum())} of {best} found again (class, mask IoU from 0.9, {iou.median():.4f} in the middle), "
        f"their boxes within {boxes.max():.2g} px, scores within {scores.max():.2g}"
    )


if __name__ == "__main__":
    main()
