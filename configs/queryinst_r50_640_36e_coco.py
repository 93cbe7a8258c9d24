"""QueryInst R-50, 100 queries, 36 epochs at short sides 640 to 800: the paper's row with 44.8 / 40.1 on test-dev."""

from mmengine.config import read_base

with read_base():
    from .queryinst_r50_36e_coco import *

from queryinst_vis.data.transforms import RandomFlip, RandomShortSide

train_dataset.update(
    transforms=[
        dict(type=RandomShortSide, shorts=list(range(640, 801, 32)), long=1333),
        dict(type=RandomFlip),
    ]
)
