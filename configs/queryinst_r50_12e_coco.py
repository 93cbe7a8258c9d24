"""QueryInst R-50, 100 queries, 12 epochs at one scale; mmdetection's reaches box AP 42.0, mask AP 37.5 on val2017."""

from mmengine.config import read_base

with read_base():
    from .base.adamw import *
    from .base.coco import *
    from .base.queryinst_r50 import *
