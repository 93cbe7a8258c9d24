"""QueryInst R-50 with a self-attention of its own for masks, the queries shared.

The paper's table 6: 44.1 / 39.5 on val2017, where its default has 44.5 / 39.8.
"""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_36e_coco import *

model.update(separate_mask_attention=True)
