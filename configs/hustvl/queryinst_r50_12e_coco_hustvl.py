"""QueryInst R-50, 100 queries, 12 epochs at one scale, trained as by its authors (no results are published)."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_12e_coco import *
    from ..base.adamw_hustvl import *
