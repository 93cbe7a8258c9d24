"""COCO 2017 at up to 1333 x 800 pixels. data_root: a folder with train2017/, val2017/ and annotations/."""

from queryinst_vis.data.classes import COCO
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.transforms import RandomFlip, RandomShortSide
from queryinst_vis.evaluation.coco import CocoMetric

data_root = "data/coco"
classes = COCO

train_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/annotations/instances_train2017.json",
    images="{data_root}/train2017",
    classes="{classes}",
    transforms=[dict(type=RandomShortSide, shorts=[800], long=1333), dict(type=RandomFlip)],
    training=True,
)
val_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/annotations/instances_val2017.json",
    images="{data_root}/val2017",
    classes="{classes}",
)
val_metric = dict(
    type=CocoMetric,
    annotations="{data_root}/annotations/instances_val2017.json",
    classes="{classes}",
)
best_metric = "coco/segm_AP"
