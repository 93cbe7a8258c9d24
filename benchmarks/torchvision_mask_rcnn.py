"""torchvision's Mask R-CNN R-50 FPN and our accelerated QueryInst R-50: from the picture to run-length codes of the best masks.

    python benchmarks/torchvision_mask_rcnn.py

Weights are random. With them a Mask R-CNN would suppress either nothing or ten thousand boxes, so its threshold is set where
`--candidates` pass it, about as many as of a trained one. Both keep the best `--keep` and take the picture at its own size. It
pastes masks densely, as it does for everybody; pycocotools encodes them.
"""

from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torchvision.models.detection import maskrcnn_resnet50_fpn
from turns import medians, network_parser, show

from queryinst_vis.acceleration import accelerate
from queryinst_vis.benchmark.network import patches_image
from queryinst_vis.config import build, load_config
from queryinst_vis.models import QueryInst


def peer(short: int, keep: int) -> torch.nn.Module:
    """At the picture's size."""
    model = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        min_size=short,
        max_size=2 * short,
        box_score_thresh=0.0,
        box_detections_per_img=keep,
    )
    return model.eval()


def set_threshold(model: Any, images: list[torch.Tensor], num_candidates: int) -> None:
    """Where so many pairs of a box and a class pass it in these pictures."""
    logits: list[torch.Tensor] = []
    handle = model.roi_heads.box_predictor.register_forward_hook(lambda module, inputs, outputs: logits.append(outputs[0]))
    with torch.inference_mode():
        model(images)
    handle.remove()
    scores = logits[0].softmax(1)[:, 1:].flatten()
    model.roi_heads.score_thresh = float(scores.topk(num_candidates).values[-1])


def ours(short: int, num_queries: int, keep: int) -> QueryInst:
    settings = load_config("queryinst_r50_36e_coco").model
    settings.queries.num_queries, settings.max_detections = num_queries, keep
    settings.preprocess.short, settings.preprocess.long = short, 2 * short
    return build(settings).eval()


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--keep", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=300)
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    image = patches_image(args.height, args.width)
    short = min(args.height, args.width)
    mask_rcnn = peer(short, args.keep)
    pixels = torch.from_numpy(image).permute(2, 0, 1)
    set_threshold(mask_rcnn, [pixels / 255], args.candidates)
    num_detections: dict[str, int] = {}

    @torch.inference_mode()
    def of_peer() -> None:
        (found,) = mask_rcnn([pixels / 255])
        bitmaps = (found["masks"][:, 0] >= 0.5).numpy().astype(np.uint8)
        codes = [coco_mask.encode(np.asfortranarray(bitmap)) for bitmap in bitmaps]
        num_detections["torchvision Mask R-CNN"] = len(codes)

    def of_ours(name: str, model: QueryInst) -> Any:
        (found,) = model.predict([image])
        num_detections[name] = len(found.masks.rles())  # type: ignore[union-attr]

    functions: dict[str, Any] = {"torchvision Mask R-CNN": of_peer}
    for precision in args.precision:
        name, model = f"QueryInst, {precision}", accelerate(ours(short, args.queries, args.keep), precision=precision)
        functions[name] = lambda name=name, model=model: of_ours(name, model)
    print(f"{args.height} x {args.width}, {args.queries} queries, {args.threads} threads, torch {torch.__version__}")
    times = medians(functions, repeat=args.repeat)
    print("detections:", num_detections)
    show(times, reference="torchvision Mask R-CNN")


if __name__ == "__main__":
    main()
