"""QueryInst R-101, 300 queries, 36 epochs at short sides 640 to 800: the paper's row with 47.0 / 41.7 on test-dev."""

from mmengine.config import read_base

with read_base():
    from .queryinst_r50_300q_640_36e_coco import *

model.backbone.update(depth=101)
load_from = "resnet101"
