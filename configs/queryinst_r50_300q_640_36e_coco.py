"""QueryInst R-50, 300 queries, 36 epochs at short sides 640 to 800: the paper's row with 45.6 / 40.6 on test-dev."""

from mmengine.config import read_base

with read_base():
    from .queryinst_r50_640_36e_coco import *

model.queries.update(num_queries=300)
model.update(max_detections=300)
