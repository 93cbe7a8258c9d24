"""QueryInst-VIS R-50, 12 epochs on OVIS at one scale, with 30 queries for its crowds; nobody has published its result."""

from mmengine.config import read_base

with read_base():
    from .base.adamw import *
    from .base.queryinst_vis_r50 import *
    from .base.ovis import *

model.queries.update(num_queries=30)
model.update(max_detections=30)
