"""YouTube-VIS 2021 at 640 x 360 pixels. data_root: with train/instances.json and train/JPEGImages/ (docs/datasets.md)."""

from queryinst_vis.data.classes import YTVIS_2021
from queryinst_vis.data.transforms import RandomFlip, RandomScale
from queryinst_vis.data.ytvis import YtvisDataset

data_root = "data/youtube_vis_2021"
classes = YTVIS_2021

train_dataset = dict(
    type=YtvisDataset,
    annotations="{data_root}/train/instances.json",
    images="{data_root}/train/JPEGImages",
    classes="{classes}",
    transforms=[dict(type=RandomScale, scales=[(640, 360)]), dict(type=RandomFlip)],
)
