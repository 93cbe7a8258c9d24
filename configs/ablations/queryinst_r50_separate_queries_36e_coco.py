"""QueryInst R-50 with queries of their own for masks, the self-attention shared.

The paper's table 6: 43.9 / 38.3 on val2017, where its default has 44.5 / 39.8.
"""

from mmengine.config import read_base

with read_base():
    from ..queryinst_r50_36e_coco import *

model.queries.update(separate_mask_embeds=True)
