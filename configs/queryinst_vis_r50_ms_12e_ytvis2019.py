"""The multi-scale twin: both limits drawn freely, as in SipMask-VIS (arXiv 2007.14772); the paper reports 36.2 AP (its *)."""

from mmengine.config import read_base

with read_base():
    from .queryinst_vis_r50_12e_ytvis2019 import *

from queryinst_vis.data.transforms import RandomFlip, RandomScaleRange

train_dataset.update(transforms=[dict(type=RandomScaleRange, longs=(649, 960), shorts=(360, 480)), dict(type=RandomFlip)])
