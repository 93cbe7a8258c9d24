"""OVIS at 640 x 360 pixels. data_root: a folder with annotations_train.json and train/ (docs/datasets.md)."""

from queryinst_vis.data.classes import OVIS
from queryinst_vis.data.transforms import RandomFlip, RandomScale
from queryinst_vis.data.ytvis import YtvisDataset

data_root = "data/ovis"
classes = OVIS

train_dataset = dict(
    type=YtvisDataset,
    annotations="{data_root}/annotations_train.json",
    images="{data_root}/train",
    classes="{classes}",
    transforms=[dict(type=RandomScale, scales=[(640, 360)]), dict(type=RandomFlip)],
)
