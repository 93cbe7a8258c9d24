"""QueryInst R-101, 300 queries, 36 epochs with random crops, as by its authors: 48.0 / 42.4 on val2017."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r101_300q_crop_36e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
