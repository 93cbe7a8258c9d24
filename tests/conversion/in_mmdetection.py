"""Run with mmdetection 3.3.0: load one of our exported checkpoints strictly, look at an image, write down what is seen.

    python in_mmdetection.py BACKBONE CHECKPOINT IMAGE.npy OUT.npz

mmcv's compiled operators are replaced by torchvision's (peer_stub), so the package without them is enough.
"""

import os
import sys
import warnings

warnings.filterwarnings("ignore")
import peer_stub  # noqa: E402, F401, I001
import mmdet  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.utils import register_all_modules  # noqa: E402
from mmengine.config import Config  # noqa: E402

STAGES, QUERIES = 2, 20
SWIN = {"type": "SwinTransformer", "embed_dims": 48, "depths": (2, 2, 2, 2), "num_heads": (3, 6, 12, 24), "window_size": 7,
        "out_indices": (0, 1, 2, 3), "convert_weights": False}  # fmt: skip
DCN = {"type": "ResNeXt", "depth": 50, "groups": 32, "base_width": 4, "stage_with_dcn": (False, True, True, True),
       "dcn": {"type": "DCNv2", "deform_groups": 1, "fallback_on_stride": False}}  # fmt: skip


def build(backbone):
    register_all_modules()
    root = os.path.join(os.path.dirname(mmdet.__file__), ".mim", "configs")
    model = Config.fromfile(os.path.join(root, "queryinst", "queryinst_r50_fpn_1x_coco.py")).model
    model.backbone.init_cfg = None
    if backbone == "swin":
        model.backbone, model.neck.in_channels = SWIN, [48, 96, 192, 384]
    elif backbone == "resnext_dcn":
        model.backbone.update(DCN)
    model.rpn_head.num_proposals = model.test_cfg.rcnn.max_per_img = QUERIES
    heads = model.roi_head
    heads.num_stages, heads.stage_loss_weights = STAGES, [1] * STAGES
    heads.bbox_head, heads.mask_head = heads.bbox_head[:STAGES], heads.mask_head[:STAGES]
    model.train_cfg.rcnn = model.train_cfg.rcnn[:STAGES]
    for extractor in (heads.bbox_roi_extractor, heads.mask_roi_extractor):
        extractor.roi_layer.use_torchvision = True
    return MODELS.build(model).eval()


def main(backbone, checkpoint, image, out):
    torch.set_num_threads(1)
    model = build(backbone)
    content = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(content["state_dict"], strict=True)
    x = torch.from_numpy(np.load(image))[None]
    size = x.shape[-2:]
    about = {"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0), "batch_input_shape": size}
    with torch.inference_mode():
        features = model.extract_feat(x)
        found = model.predict(x, [DetDataSample(metainfo=about)])[0].pred_instances
    order = found.scores.argsort(descending=True)
    found = found[order]
    np.savez(
        out,
        boxes=found.bboxes,
        scores=found.scores,
        labels=found.labels,
        mask_areas=found.masks.sum((1, 2)),
        **{f"fpn_{i}": x for i, x in enumerate(features)},
    )


main(*sys.argv[1:])
