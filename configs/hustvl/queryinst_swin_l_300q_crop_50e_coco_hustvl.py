"""QueryInst Swin-L, 300 queries, 50 epochs at 400 to 1200, as by its authors: 56.1 / 48.9 on val2017."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_swin_l_300q_crop_50e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
