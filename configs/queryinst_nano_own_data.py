"""The small default model, fine-tuned on your own classes in minutes on a processor (docs/finetuning.md).

Its detector and both backbones stay as they are and know COCO's 80 classes; what is learned is how those speak for yours, the
stages and the masks. As the model is given no clips, it has no track head: its queries are compared themselves.
"""

from mmengine.config import read_base

with read_base():
    from .base.own_data import *

from torch.optim import AdamW

from queryinst_vis.data.classes import COCO
from queryinst_vis.data.transforms import RandomColour, RandomFlip, RandomResizedCrop
from queryinst_vis.models import DenseQueries, ModelInfo, Preprocess, QueryCriterion, QueryInst, ShuffleNetV2
from queryinst_vis.training.schedule import Cosine

model = dict(
    type=QueryInst,
    backbone=dict(type=ShuffleNetV2, frozen=True),
    queries=dict(
        type=DenseQueries,
        num_queries=100,
        num_training_queries=50,
        embed_dim=96,
        nms_threshold=0.6,
        backbone=dict(type=ShuffleNetV2, frozen=True),
        classes="{classes}",
        detector_classes=COCO,
    ),
    num_classes="{num_classes}",
    num_stages=3,
    embed_dim=96,
    ffn_dim=384,
    dynamic_dim=24,
    class_agnostic_masks=True,
    nms_threshold=0.6,
    preprocess=dict(type=Preprocess, short=416, long=416),
    criterion=dict(type=QueryCriterion, soft_labels=True),
)
info = dict(type=ModelInfo, score_threshold=0.5, similarity="cosine", tracker="query_match")
load_from = "default"
allow_shape_mismatch = True

train_dataset.update(
    transforms=[
        dict(type=RandomFlip),
        dict(type=RandomResizedCrop, size_hw=(320, 320), zoom=(1.0, 1.5)),
        dict(type=RandomColour),
    ]
)

optimizer = dict(type=AdamW, lr=2e-4, weight_decay=0.01)
lr_multipliers = {"queries.class_map": 10.0}
schedule = dict(type=Cosine, warmup_iters=20)
clip_norm = 1.0
amp = "bf16"
ema = 0.99
batch_size = 8
base_batch_size = 8
iterations = 150
val_every = 5
log_every = 20
num_workers = 1
checkpoint_every = 50
