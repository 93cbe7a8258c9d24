"""QueryInst ResNeXt-101 64x4d with deformable convolutions, 300 queries, random crops (no results are published)."""

from mmengine.config import read_base

with read_base():
    from .queryinst_x101_32x4d_dcn_300q_crop_36e_coco import *

model.backbone.update(groups=64)
load_from = "resnext101_64x4d"
