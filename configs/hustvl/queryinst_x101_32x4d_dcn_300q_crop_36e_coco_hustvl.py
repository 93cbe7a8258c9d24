"""QueryInst ResNeXt-101 32x4d with DCN, 300 queries, random crops, as by its authors: 50.3 / 44.2 on val2017."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_x101_32x4d_dcn_300q_crop_36e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
