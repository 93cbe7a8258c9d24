"""QueryInst R-50, 100 queries, from COCO, 24,000 iterations of 8 images on Cityscapes; the paper reports AP 39.4 on val.

Published are the iterations, the batch and the step at 18,000 (arXiv 2105.01928). The rates are those of mmdetection's QueryInst
on COCO for half its batch, the sizes of pictures those of its Mask R-CNN on Cityscapes; the authors' rate is in hustvl/.
"""

from mmengine.config import read_base

with read_base():
    from .base.adamw import *
    from .base.cityscapes import *
    from .base.queryinst_r50 import *

from queryinst_vis.models import Preprocess

model.update(preprocess=dict(type=Preprocess, short=1024, long=2048))
load_from = "queryinst_r50_36e_coco"
allow_shape_mismatch = True  # of the 80 classes, seven are Cityscapes' too and keep what they know
optimizer.update(lr=5e-5)
batch_size = 8
base_batch_size = 8
iterations = 24000
schedule.update(milestones=[18000])
val_every = 8  # of 65 epochs
