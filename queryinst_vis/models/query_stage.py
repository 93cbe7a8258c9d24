"""One stage of QueryInst ("Instances as Queries", ICCV 2021, section 3): for boxes and classes, and its mask head.

Both are as in mmdetection's DIIHead and DynamicMaskHead; `QueryStage.forward` gives the query after self-attention too, which the
mask head of the same stage reads (the paper's q*).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.models.layers import DynamicConv, xavier_init

_PRIOR_PROBABILITY = 0.01


class StageOutput(NamedTuple):
    """logits [B, Q, C]; deltas [B, Q, 4]; queries [B, Q, D] for the next stage; mask_queries [B, Q, D] for the mask head."""

    logits: Tensor
    deltas: Tensor
    queries: Tensor
    mask_queries: Tensor


class QueryStage(nn.Module):
    """Self-attention among queries, dynamic convolution with their RoI features, feed-forward, class and box branches.

    starts_at_input: begin with zero class and box corrections, for queries that start from a detector's boxes and logits.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        embed_dim: int = 256,
        num_heads: int = 8,
        ffn_dim: int = 2048,
        dynamic_dim: int = 64,
        roi_size: int = 7,
        num_cls_layers: int = 1,
        num_reg_layers: int = 3,
        starts_at_input: bool = False,
    ) -> None:
        super().__init__()
        self.roi_size = roi_size
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.interaction = DynamicConv(embed_dim, dynamic_dim, roi_size=roi_size)
        self.interaction_norm = nn.LayerNorm(embed_dim)
        self.ffn = nn.Sequential(nn.Linear(embed_dim, ffn_dim), nn.ReLU(inplace=True), nn.Linear(ffn_dim, embed_dim))
        self.ffn_norm = nn.LayerNorm(embed_dim)
        self.cls_layers = _branch(embed_dim, num_cls_layers)
        self.fc_cls = nn.Linear(embed_dim, num_classes)
        self.reg_layers = _branch(embed_dim, num_reg_layers)
        self.fc_reg = nn.Linear(embed_dim, 4)
        self._init_weights(starts_at_input)

    def _init_weights(self, starts_at_input: bool) -> None:
        xavier_init(self)
        for bias in (self.attention.in_proj_bias, self.attention.out_proj.bias, self.fc_reg.bias):
            nn.init.zeros_(bias)
        nn.init.constant_(self.fc_cls.bias, -math.log((1 - _PRIOR_PROBABILITY) / _PRIOR_PROBABILITY))
        if starts_at_input:
            for parameter in (self.fc_cls.weight, self.fc_cls.bias, self.fc_reg.weight):
                nn.init.zeros_(parameter)

    def forward(self, queries: Tensor, roi_features: Tensor) -> StageOutput:
        """queries [B, Q, D]; roi_features [B*Q, D, roi_size, roi_size]."""
        attended = self.attention(queries, queries, queries, need_weights=False)[0]
        mask_queries = self.attention_norm(queries + attended)
        x = mask_queries.flatten(0, 1)  # [B*Q, D]
        x = self.interaction_norm(x + self.interaction(x, roi_features))
        x = self.ffn_norm(x + self.ffn(x))
        out = x.view_as(queries)
        return StageOutput(self.fc_cls(self.cls_layers(out)), self.fc_reg(self.reg_layers(out)), out, mask_queries)


class MaskHead(nn.Module):
    """Dynamic convolution of a query with its RoI, convolutions, and one mask of twice the RoI size per class (or one for all).

    num_classes: 1 gives a class-agnostic head.
    """

    def __init__(
        self, num_classes: int, *, embed_dim: int = 256, dynamic_dim: int = 64, num_convs: int = 4, roi_size: int = 14
    ) -> None:
        super().__init__()
        self.num_classes, self.roi_size = num_classes, roi_size
        self.interaction = DynamicConv(embed_dim, dynamic_dim)
        self.convs = nn.Sequential(*(_ConvNormRelu(embed_dim) for _ in range(num_convs)))
        self.upsample = nn.ConvTranspose2d(embed_dim, embed_dim, 2, stride=2)
        self.logits = nn.Conv2d(embed_dim, num_classes, 1)
        xavier_init(self)
        nn.init.zeros_(self.logits.bias)

    @property
    def mask_size(self) -> int:
        """Side of the masks in cells."""
        return 2 * self.roi_size

    def features(self, mask_queries: Tensor, roi_features: Tensor) -> Tensor:
        """mask_queries [R, D], roi_features [R, D, r, r] -> what the masks of all classes are read from, [R, D, 2r, 2r]."""
        return F.relu(self.upsample(self.convs(self.interaction(mask_queries, roi_features))))

    def class_logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Mask logits [R, 2r, 2r] of one class per row. features: [R, D, 2r, 2r]; labels: int64 [R]."""
        channel = labels if self.num_classes > 1 else torch.zeros_like(labels)
        weights, biases = self.logits.weight[channel].flatten(1), self.logits.bias[channel]  # [R, D], [R]
        return torch.einsum("rdhw,rd->rhw", features, weights.to(features.dtype)) + biases[:, None, None]

    def forward(self, mask_queries: Tensor, roi_features: Tensor, labels: Tensor) -> Tensor:
        """Mask logits [R, 2r, 2r], for each row the channel of its class."""
        return self.class_logits(self.features(mask_queries, roi_features), labels)


class _ConvNormRelu(nn.Sequential):
    def __init__(self, channels: int) -> None:
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        super().__init__(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _branch(dim: int, num_layers: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(num_layers):
        layers += [nn.Linear(dim, dim, bias=False), nn.LayerNorm(dim), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
