"""The same on a part of the training videos, measured on the others after each epoch (the validation set is not annotated).

Cut them first: `queryinst-vis split DATA/train.json --seed 0 ...` writes train_split.json and val_split.json (docs/ytvis.md).
"""

from mmengine.config import read_base

with read_base():
    from .queryinst_vis_r50_12e_ytvis2019 import *

from queryinst_vis.data.ytvis import YtvisVideos
from queryinst_vis.evaluation.ytvis import YtvisMetric

train_dataset.update(annotations="{data_root}/train_split.json")
val_dataset = dict(
    type=YtvisVideos,
    annotations="{data_root}/val_split.json",
    images="{data_root}/train/JPEGImages",
    classes="{classes}",
)
val_metric = dict(type=YtvisMetric, annotations="{data_root}/val_split.json", classes="{classes}")
best_metric = "ytvis/AP"
