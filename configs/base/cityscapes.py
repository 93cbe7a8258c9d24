"""Cityscapes at up to 2048 x 1024 pixels. data_root: a folder with leftImg8bit/ and annotations/ (docs/cityscapes.md)."""

from queryinst_vis.data.classes import CITYSCAPES
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.transforms import RandomFlip, RandomScaleRange
from queryinst_vis.evaluation.cityscapes import CityscapesMetric

data_root = "data/cityscapes"
classes = CITYSCAPES

train_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/annotations/instancesonly_filtered_gtFine_train.json",
    images="{data_root}/leftImg8bit/train",
    classes="{classes}",
    transforms=[dict(type=RandomScaleRange, longs=(2048, 2048), shorts=(800, 1024)), dict(type=RandomFlip)],
    training=True,
)
val_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/annotations/instancesonly_filtered_gtFine_val.json",
    images="{data_root}/leftImg8bit/val",
    classes="{classes}",
)
val_metric = dict(
    type=CityscapesMetric,
    annotations="{data_root}/annotations/instancesonly_filtered_gtFine_val.json",
    classes="{classes}",
)
best_metric = "cityscapes/AP"
