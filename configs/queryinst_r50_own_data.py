"""QueryInst R-50 from the published COCO weights, fine-tuned on your own classes; for a GPU (docs/finetuning.md)."""

from mmengine.config import read_base

with read_base():
    from .base.adamw import *
    from .base.own_data import *
    from .base.queryinst_r50 import *

from queryinst_vis.data.transforms import RandomColour, RandomFlip, RandomShortSide

load_from = "queryinst_r50_36e_coco"
allow_shape_mismatch = True

train_dataset.update(
    transforms=[
        dict(type=RandomShortSide, shorts=list(range(480, 801, 32)), long=1333),
        dict(type=RandomFlip),
        dict(type=RandomColour),
    ]
)

schedule.update(milestones=[1500], warmup_iters=100)
iterations = 2000
batch_size = 4
scale_lr = True
amp = "bf16"
val_every = 10
checkpoint_every = 500
