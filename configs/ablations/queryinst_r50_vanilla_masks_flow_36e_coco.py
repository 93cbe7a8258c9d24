"""QueryInst R-50 with mask heads without dynamic convolution, with HTC's mask flow.

The paper's table 4: 43.8 / 38.9 on val2017, where its default has 44.5 / 39.8.
"""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_36e_coco import *

model.update(dynamic_masks=False, mask_flow=True)
