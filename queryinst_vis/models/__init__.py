"""Image models. Importing this package registers all of them."""

from queryinst_vis.models.backbones import ResNet, ShuffleNetV2, Swin, TimmBackbone
from queryinst_vis.models.base import ImageModel, ModelInfo, Preprocess
from queryinst_vis.models.criterion import QueryCriterion
from queryinst_vis.models.dense_queries import DenseQueries
from queryinst_vis.models.queries import LearnedQueries
from queryinst_vis.models.queryinst import QueryInst
from queryinst_vis.models.track_head import TrackContrast, TrackCrossEntropy, TrackHead

__all__ = [
    "DenseQueries",
    "ImageModel",
    "LearnedQueries",
    "ModelInfo",
    "Preprocess",
    "QueryCriterion",
    "QueryInst",
    "ResNet",
    "ShuffleNetV2",
    "Swin",
    "TimmBackbone",
    "TrackContrast",
    "TrackCrossEntropy",
    "TrackHead",
]
