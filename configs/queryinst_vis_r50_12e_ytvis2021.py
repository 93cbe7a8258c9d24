"""QueryInst-VIS R-50, 12 epochs on YouTube-VIS 2021 at one scale; nobody has published its result."""

from mmengine.config import read_base

with read_base():
    from .base.adamw import *
    from .base.queryinst_vis_r50 import *
    from .base.youtube_vis_2021 import *
