"""A small QueryInst-VIS on generated videos of moving shapes (docs/synthetic.md): trains in an hour on two processor cores.

data_root: a folder with train/ and val/, made by `queryinst-vis synthesize` with different seeds. Backbone and stages start from
the default model; 24 queries start from a grid.
"""

from torch.optim import AdamW

from queryinst_vis.data.synthetic import CLASSES
from queryinst_vis.data.transforms import RandomColour, RandomFlip
from queryinst_vis.data.ytvis import YtvisDataset, YtvisVideos
from queryinst_vis.evaluation.ytvis import YtvisMetric
from queryinst_vis.models import LearnedQueries, ModelInfo, Preprocess, QueryInst, ShuffleNetV2, TrackContrast, TrackHead
from queryinst_vis.trackers import MemoryBankTracker
from queryinst_vis.training.schedule import Cosine

data_root = "data/synthetic"
classes = CLASSES

model = dict(
    type=QueryInst,
    backbone=dict(type=ShuffleNetV2),
    queries=dict(type=LearnedQueries, num_queries=24, embed_dim=96, grid=True),
    num_classes="{num_classes}",
    num_stages=3,
    embed_dim=96,
    ffn_dim=384,
    dynamic_dim=24,
    class_agnostic_masks=True,
    max_detections=10,
    preprocess=dict(type=Preprocess, short=192, long=320),
    track_head=dict(type=TrackHead, in_dim=96, embed_dim=128, criterion=dict(type=TrackContrast)),
)
info = dict(type=ModelInfo, score_threshold=0.3, similarity="cosine", tracker="memory_bank")
tracker = dict(type=MemoryBankTracker, score_threshold=0.1)
load_from = "default"
allow_shape_mismatch = True

train_dataset = dict(
    type=YtvisDataset,
    annotations="{data_root}/train/instances.json",
    images="{data_root}/train/JPEGImages",
    classes="{classes}",
    max_distance=8,
    transforms=[dict(type=RandomFlip), dict(type=RandomColour)],
)
val_dataset = dict(
    type=YtvisVideos,
    annotations="{data_root}/val/instances.json",
    images="{data_root}/val/JPEGImages",
    classes="{classes}",
)
val_metric = dict(type=YtvisMetric, annotations="{data_root}/val/instances.json", classes="{classes}")
best_metric = "ytvis/AP"

optimizer = dict(type=AdamW, lr=5e-4, weight_decay=0.01)
lr_multipliers = dict(backbone=0.3)
schedule = dict(type=Cosine, warmup_iters=100)
clip_norm = 1.0
amp = "bf16"
ema = 0.998
batch_size = 8
base_batch_size = 8
epochs = 4
num_workers = 1
checkpoint_every = 100
