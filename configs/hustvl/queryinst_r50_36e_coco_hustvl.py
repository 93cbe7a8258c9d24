"""QueryInst R-50, 100 queries, 36 epochs at short sides 480 to 800, as by its authors (no results are published)."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_36e_coco import *
    from ..base.adamw_hustvl import *

schedule.update(warmup_iters=1000)
