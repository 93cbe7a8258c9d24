"""A config: QueryInst, as small as it gets, with all that a training has."""
# ruff: noqa: C408 (configs are written with dict())

from torch.optim import AdamW

from queryinst_vis.data.classes import COCO
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.transforms import RandomFlip, RandomShortSide
from queryinst_vis.evaluation.coco import CocoMetric
from queryinst_vis.models import LearnedQueries, Preprocess, QueryInst, ResNet
from queryinst_vis.training.schedule import Cosine

model = dict(
    type=QueryInst,
    backbone=dict(type=ResNet, depth=18),
    queries=dict(type=LearnedQueries, num_queries=10, embed_dim=32),
    num_classes=80,
    num_stages=2,
    embed_dim=32,
    num_heads=4,
    ffn_dim=64,
    dynamic_dim=16,
    num_mask_convs=1,
    preprocess=dict(type=Preprocess, short=96, long=160),
)
train_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/coco_mini_val.json",
    images="{data_root}/coco_mini_val",
    classes=COCO,
    transforms=[dict(type=RandomShortSide, shorts=[64, 96], long=160), dict(type=RandomFlip)],
    training=True,
)
val_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/coco_mini_val.json",
    images="{data_root}/coco_mini_val",
    classes=COCO,
)
val_metric = dict(type=CocoMetric, annotations="{data_root}/coco_mini_val.json", classes=COCO)
optimizer = dict(type=AdamW, lr=1e-3, weight_decay=1e-4)
lr_multipliers = dict(backbone=0.1)
schedule = dict(type=Cosine, warmup_iters=3)
clip_norm = 1.0
batch_size = 8
accumulate = 2
epochs = 1
num_workers = 2
ema = 0.99
checkpoint_every = 2
log_every = 2
