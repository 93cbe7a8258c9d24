"""The multi-scale twin: long and short limits drawn freely, as SipMask-VIS (arXiv 2007.14772) does."""

from mmengine.config import read_base

with read_base():
    from .queryinst_vis_r50_12e_ovis import *

from queryinst_vis.data.transforms import RandomFlip, RandomScaleRange

train_dataset.update(transforms=[dict(type=RandomScaleRange, longs=(649, 960), shorts=(360, 480)), dict(type=RandomFlip)])
