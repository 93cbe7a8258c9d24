"""Your own COCO JSON: data_root has train.json with its images in train/, val.json with val/ (docs/finetuning.md).

classes: names in label order, each a category of the files. Images that show none of them are learned as background.
"""

from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.evaluation.coco import CocoMetric

data_root = "my_data"
classes = ("class_a", "class_b", "class_c")  # stand for yours

train_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/train.json",
    images="{data_root}/train",
    classes="{classes}",
    training=True,
    keep_empty=True,
)
val_dataset = dict(
    type=CocoDataset,
    annotations="{data_root}/val.json",
    images="{data_root}/val",
    classes="{classes}",
)
val_metric = dict(type=CocoMetric, annotations="{data_root}/val.json", classes="{classes}", per_class=True)
best_metric = "coco/segm_AP"
