"""QueryInst R-50, 100 queries, 36 epochs at short sides 640 to 800, as in the paper: 44.8 / 40.1 on test-dev."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_640_36e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
