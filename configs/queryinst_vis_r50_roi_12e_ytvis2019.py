"""The paper's row taken literally: MaskTrack R-CNN's head reads RoI features of 7 x 7."""

from mmengine.config import read_base

with read_base():
    from .queryinst_vis_r50_12e_ytvis2019 import *

model.track_head.update(roi_size=7)
