"""QueryInst R-50 with queries and a self-attention of their own for masks.

The paper's table 6: 43.4 / 38.1 on val2017, where its default has 44.5 / 39.8.
"""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_36e_coco import *

model.queries.update(separate_mask_embeds=True)
model.update(separate_mask_attention=True)
