"""QueryInst R-50, 300 queries, 36 epochs at short sides 640 to 800, as in the paper: 45.6 / 40.6 on test-dev."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_300q_640_36e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
