"""QueryInst-VIS R-50, 12 epochs on YouTube-VIS 2019 at one scale; the paper reports 34.6 AP on its validation server."""

from mmengine.config import read_base

with read_base():
    from .base.adamw import *
    from .base.queryinst_vis_r50 import *
    from .base.youtube_vis_2019 import *
