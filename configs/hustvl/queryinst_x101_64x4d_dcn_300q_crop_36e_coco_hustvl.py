"""QueryInst ResNeXt-101 64x4d with DCN, 300 queries, random crops, as by its authors (who do not say which ResNeXt)."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_x101_64x4d_dcn_300q_crop_36e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
