"""QueryInst Swin-T, 100 queries, 36 epochs with random crops, as by its authors (no results are published)."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_swin_t_crop_36e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
