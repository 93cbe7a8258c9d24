"""QueryInst Swin-T, 100 queries, 36 epochs with random crops (no results are published)."""

from mmengine.config import read_base

with read_base():
    from .queryinst_r50_300q_crop_36e_coco import *

from queryinst_vis.models import Swin

model.queries.update(num_queries=100)
model.update(max_detections=100)
model.backbone = dict(type=Swin, embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), drop_path=0.2)
load_from = "swin_t"
no_decay = ["norm", "relative_position_bias_table"]
