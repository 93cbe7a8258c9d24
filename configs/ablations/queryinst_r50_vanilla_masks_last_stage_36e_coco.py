"""QueryInst R-50 with one mask head, for the last stage, without dynamic convolution.

The paper's table 5: 43.5 / 37.4 on val2017, where its default has 44.5 / 39.8.
"""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_36e_coco import *

model.update(dynamic_masks=False, last_stage_masks=True)
