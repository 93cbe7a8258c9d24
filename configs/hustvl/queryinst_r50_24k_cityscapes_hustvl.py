"""QueryInst R-50, 100 queries, from COCO, 24,000 iterations of 8 images on Cityscapes, at its authors' rate (AP 39.4 on val)."""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_24k_cityscapes import *
    from ..base.adamw_hustvl import *

optimizer.update(lr=1.25e-5)
