"""YouTube-VIS 2019 at 640 x 360 pixels. data_root: a folder with train.json and train/JPEGImages/ (docs/datasets.md)."""

from queryinst_vis.data.classes import YTVIS_2019
from queryinst_vis.data.transforms import RandomFlip, RandomScale
from queryinst_vis.data.ytvis import YtvisDataset

data_root = "data/youtube_vis_2019"
classes = YTVIS_2019

train_dataset = dict(
    type=YtvisDataset,
    annotations="{data_root}/train.json",
    images="{data_root}/train/JPEGImages",
    classes="{classes}",
    transforms=[dict(type=RandomScale, scales=[(640, 360)]), dict(type=RandomFlip)],
)
