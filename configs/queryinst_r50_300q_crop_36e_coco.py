"""QueryInst R-50, 300 queries, 36 epochs with random crops; mmdetection's reaches box AP 47.5, mask AP 41.7 on val2017."""

from mmengine.config import read_base

with read_base():
    from .base.adamw import *
    from .base.coco import *
    from .base.queryinst_r50 import *

from queryinst_vis.data.transforms import RandomChoice, RandomCrop, RandomFlip, RandomShortSide

model.queries.update(num_queries=300)
model.update(max_detections=300)

_multi_scale = dict(type=RandomShortSide, shorts=list(range(480, 801, 32)), long=1333)
_cropped = [
    dict(type=RandomShortSide, shorts=[400, 500, 600], long=1333),
    dict(type=RandomCrop, low=384, high=600),
    _multi_scale,
]
train_dataset.update(transforms=[dict(type=RandomFlip), dict(type=RandomChoice, pipelines=[[_multi_scale], _cropped])])
epochs = 36
schedule.update(milestones=[27, 33], warmup_iters=500)
