"""A track head for the small default model, whose detections stay as they are; its masks, boxes and classes are not trained.

It learns from pseudo clips, pictures under affine motion, and from ten DAVIS videos; another one measures. data_root: the folder
of queryinst_nano_coco_mini's sets, with davis_vis/ and what `queryinst-vis split DATA/davis_vis.json --val schoolgirls` makes.
"""

from mmengine.config import read_base

with read_base():
    from .queryinst_nano_coco_mini import *

from queryinst_vis.data.classes import COCO
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.pseudo_clips import PseudoClips
from queryinst_vis.data.transforms import RandomColour, RandomFlip, RandomResizedCrop
from queryinst_vis.data.ytvis import YtvisDataset, YtvisVideos
from queryinst_vis.evaluation.ytvis import YtvisMetric
from queryinst_vis.models import QueryCriterion, TrackContrast, TrackHead

model.update(
    track_head=dict(type=TrackHead, in_dim=96, embed_dim=128, criterion=dict(type=TrackContrast), alone=True),
    criterion=dict(type=QueryCriterion, cls_weight=0.0),
)
load_from = "default"

_augment = [
    dict(type=RandomFlip),
    dict(type=RandomResizedCrop, size_hw=(320, 320), zoom=(1.0, 1.5)),
    dict(type=RandomColour),
]
_pictures = dict(
    type=CocoDataset,
    annotations="{data_root}/coco_mini_train.json",
    images="{data_root}/coco_mini_train",
    classes=COCO,
    training=True,
)
_persons = _pictures | dict(
    annotations="{data_root}/coco_person_boxes.json",
    images="{data_root}/coco_person_boxes",
    annotated_classes=["person"],
)
_all_classes = dict(type=PseudoClips, dataset=_pictures, transforms=_augment)
_person_boxes = dict(type=PseudoClips, dataset=_persons, transforms=_augment)
_videos = dict(
    type=YtvisDataset,
    annotations="{data_root}/train_split.json",
    images="{data_root}/davis_vis",
    classes=COCO,
    renamed=dict(vehicle="car", animal="dog"),
    annotated_classes=["person", "car", "dog"],
    transforms=_augment,
)
train_dataset = [_all_classes, _all_classes, _person_boxes, _videos]
val_dataset = dict(
    type=YtvisVideos, annotations="{data_root}/val_split.json", images="{data_root}/davis_vis", classes=COCO, fps=24.0
)
val_metric = dict(
    type=YtvisMetric,
    annotations="{data_root}/val_split.json",
    classes=COCO,
    super_categories=True,
    ignore_unmatched=True,
)
best_metric = "ytvis/HOTA"

optimizer.update(lr=2e-3)
lr_multipliers = dict()
schedule.update(warmup_iters=50)
ema = None
epochs = 3
