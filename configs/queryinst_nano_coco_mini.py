"""The small default model: queries from NanoDet-m, three stages of 96 channels, one mask per query for all 80 classes.

The detector keeps its backbone frozen; a copy of it is trained for the stages and their masks.

data_root: a folder with coco_mini_{train,val}, coco_one_person, coco_person_boxes (each FOLDER/ and FOLDER.json, COCO format) and
backbones/nanodet_m_coco.safetensors; docs/model_card.md says what they are and how long a training takes.
"""

from torch.optim import AdamW

from queryinst_vis.data.classes import COCO
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.transforms import RandomColour, RandomFlip, RandomResizedCrop
from queryinst_vis.evaluation.coco import CocoMetric
from queryinst_vis.models import DenseQueries, ModelInfo, Preprocess, QueryCriterion, QueryInst, ShuffleNetV2
from queryinst_vis.training.schedule import Cosine

data_root = "data"

model = dict(
    type=QueryInst,
    backbone=dict(type=ShuffleNetV2),
    queries=dict(
        type=DenseQueries,
        num_queries=100,
        num_training_queries=50,
        embed_dim=96,
        nms_threshold=0.6,
        backbone=dict(type=ShuffleNetV2, frozen=True),
    ),
    num_classes=80,
    num_stages=3,
    embed_dim=96,
    ffn_dim=384,
    dynamic_dim=24,
    class_agnostic_masks=True,
    nms_threshold=0.6,
    preprocess=dict(type=Preprocess, short=416, long=416),
    criterion=dict(type=QueryCriterion, soft_labels=True),
)
info = dict(type=ModelInfo, score_threshold=0.4, similarity="cosine", tracker="query_match")
load_from = "{data_root}/backbones/nanodet_m_coco.safetensors"

_augment = [
    dict(type=RandomFlip),
    dict(type=RandomResizedCrop, size_hw=(320, 320), zoom=(1.0, 1.5)),
    dict(type=RandomColour),
]
_all_classes = dict(
    type=CocoDataset,
    annotations="{data_root}/coco_mini_train.json",
    images="{data_root}/coco_mini_train",
    classes=COCO,
    transforms=_augment,
    training=True,
)
_one_person = _all_classes | dict(
    annotations="{data_root}/coco_one_person.json",
    images="{data_root}/coco_one_person",
    annotated_classes=["person"],
)
_person_boxes = _one_person | dict(
    annotations="{data_root}/coco_person_boxes.json",
    images="{data_root}/coco_person_boxes",
)
train_dataset = [_all_classes, _all_classes, _all_classes, _all_classes, _one_person, _one_person, _person_boxes]
val_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/coco_mini_val.json",
    images="{data_root}/coco_mini_val",
    classes=COCO,
)
val_metric = dict(
    type=CocoMetric,
    annotations="{data_root}/coco_mini_val.json",
    classes=COCO,
    groups=("person", "vehicle", "animal"),
)

optimizer = dict(type=AdamW, lr=2e-4, weight_decay=0.01)
lr_multipliers = dict(backbone=0.5)
schedule = dict(type=Cosine, warmup_iters=200)
clip_norm = 1.0
amp = "bf16"
ema = 0.998
batch_size = 8
base_batch_size = 8
epochs = 4
num_workers = 1
best_metric = "coco/segm_AP"
checkpoint_every = 100
