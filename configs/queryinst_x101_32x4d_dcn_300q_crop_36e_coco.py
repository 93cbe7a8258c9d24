"""QueryInst ResNeXt-101 32x4d with deformable convolutions (DCN v2 in stages 2 to 4), 300 queries, 36 epochs with random crops.

The paper's is 50.4 / 44.6 on test-dev; it does not say which ResNeXt or which version of DCN, and has no weights.
"""

from mmengine.config import read_base

with read_base():
    from .queryinst_r50_300q_crop_36e_coco import *

model.backbone.update(depth=101, groups=32, width_per_group=4, deformable=(False, True, True, True))
load_from = "resnext101_32x4d"
