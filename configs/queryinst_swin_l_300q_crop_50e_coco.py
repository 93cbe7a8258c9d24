"""QueryInst Swin-L, 300 queries, 50 epochs with short sides 400 to 1200; the authors' reaches 56.1 / 48.9 on val2017."""

from mmengine.config import read_base

with read_base():
    from .queryinst_swin_l_300q_crop_36e_coco import *

from queryinst_vis.data.transforms import RandomChoice, RandomCrop, RandomFlip, RandomShortSide

_multi_scale = dict(type=RandomShortSide, shorts=list(range(400, 1201)), long=1333)
_cropped = [
    dict(type=RandomShortSide, shorts=[400, 500, 600], long=1333),
    dict(type=RandomCrop, low=384, high=600),
    _multi_scale,
]
train_dataset.update(transforms=[dict(type=RandomFlip), dict(type=RandomChoice, pipelines=[[_multi_scale], _cropped])])
epochs = 50
schedule.update(milestones=[40])
