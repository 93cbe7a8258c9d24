"""QueryInst R-50 with 10 queries on COCO: what QueryInst-VIS starts from in the paper (its results are not published)."""

from mmengine.config import read_base

with read_base():
    from .queryinst_r50_36e_coco import *

model.queries.update(num_queries=10)
model.update(max_detections=10)
