"""Backbones: each gives `channels` and `strides`, and turns [B, 3, H, W] into a list of maps, finest first."""

from queryinst_vis.models.backbones.resnet import ResNet
from queryinst_vis.models.backbones.shufflenet import ShuffleNetV2
from queryinst_vis.models.backbones.swin import Swin
from queryinst_vis.models.backbones.timm_backbone import TimmBackbone

__all__ = ["ResNet", "ShuffleNetV2", "Swin", "TimmBackbone"]
