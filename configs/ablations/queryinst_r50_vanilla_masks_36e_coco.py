"""QueryInst R-50 with mask heads without dynamic convolution.

The paper's tables 4 and 5: 43.8 / 37.9 on val2017, where its default has 44.5 / 39.8.
"""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_36e_coco import *

model.update(dynamic_masks=False)
