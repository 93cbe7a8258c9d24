"""A config: QueryInst-VIS, as small as it gets, on generated videos."""
# ruff: noqa: C408 (configs are written with dict())

from torch.optim import AdamW

from queryinst_vis.data.synthetic import CLASSES
from queryinst_vis.data.transforms import RandomFlip
from queryinst_vis.data.ytvis import YtvisDataset, YtvisVideos
from queryinst_vis.evaluation.ytvis import YtvisMetric
from queryinst_vis.models import LearnedQueries, ModelInfo, Preprocess, QueryInst, ResNet, TrackHead
from queryinst_vis.trackers import MaskTrackTracker
from queryinst_vis.training.schedule import Cosine

classes = CLASSES
model = dict(
    type=QueryInst,
    backbone=dict(type=ResNet, depth=18),
    queries=dict(type=LearnedQueries, num_queries=6, embed_dim=32, grid=True),
    num_classes="{num_classes}",
    num_stages=2,
    embed_dim=32,
    num_heads=4,
    ffn_dim=64,
    dynamic_dim=16,
    num_mask_convs=1,
    max_detections=6,
    preprocess=dict(type=Preprocess, short=64, long=96),
    track_head=dict(type=TrackHead, in_dim=32, embed_dim=16),
)
info = dict(type=ModelInfo, similarity="dot", tracker="masktrack")
tracker = dict(type=MaskTrackTracker, score_threshold=0.01)
train_dataset = dict(
    type=YtvisDataset,
    annotations="{data_root}/instances.json",
    images="{data_root}/JPEGImages",
    classes="{classes}",
    transforms=[dict(type=RandomFlip)],
)
val_dataset = dict(
    type=YtvisVideos, annotations="{data_root}/instances.json", images="{data_root}/JPEGImages", classes="{classes}"
)
val_metric = dict(type=YtvisMetric, annotations="{data_root}/instances.json", classes="{classes}")
optimizer = dict(type=AdamW, lr=1e-3, weight_decay=1e-4)
schedule = dict(type=Cosine, warmup_iters=1)
clip_norm = 1.0
batch_size = 2
epochs = 1
num_workers = 0
log_every = 2
best_metric = "ytvis/AP"
