"""One stage of QueryInst ("Instances as Queries", ICCV 2021, section 3) for boxes and classes, as in mmdetection's DIIHead.

It gives the query after self-attention too, which the mask head of the same stage reads (the paper's q*).
"""

import math
from typing import NamedTuple

from torch import Tensor, nn

from queryinst_vis.models.layers import DynamicConv, xavier_init

_PRIOR_PROBABILITY = 0.01


class StageOutput(NamedTuple):
    """logits [B, Q, C]; deltas [B, Q, 4]; queries [B, Q, D] for the next stage; mask_queries [B, Q, D] for the mask head."""

    logits: Tensor
    deltas: Tensor
    queries: Tensor
    mask_queries: Tensor


class StageStart(NamedTuple):
    """attended [B, Q, D], queries after self-attention; mask_queries [B, Q, D]; weights [B, Q, W] of the dynamic convolution."""

    attended: Tensor
    mask_queries: Tensor
    weights: Tensor

    def of_batch(self, size: int) -> "StageStart":
        """That of one image for so many."""
        return StageStart(*(part.expand(size, -1, -1) for part in self))


class QueryStage(nn.Module):
    """Self-attention among queries, dynamic convolution with their RoI features, feed-forward, class and box branches.

    starts_at_input: begin with zero class and box corrections, for queries that start from a detector's boxes and logits.
    separate_mask_attention: the mask head's queries come from a self-attention of their own.
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
        separate_mask_attention: bool = False,
    ) -> None:
        super().__init__()
        self.roi_size = roi_size
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(embed_dim)
        if separate_mask_attention:
            self.mask_attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)
            self.mask_attention_norm = nn.LayerNorm(embed_dim)
        self.separate_mask_attention = separate_mask_attention
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
        attentions = [self.attention, *([self.mask_attention] if self.separate_mask_attention else [])]
        for bias in (*(b for a in attentions for b in (a.in_proj_bias, a.out_proj.bias)), self.fc_reg.bias):
            nn.init.zeros_(bias)
        nn.init.constant_(self.fc_cls.bias, -math.log((1 - _PRIOR_PROBABILITY) / _PRIOR_PROBABILITY))
        if starts_at_input:
            for parameter in (self.fc_cls.weight, self.fc_cls.bias, self.fc_reg.weight):
                nn.init.zeros_(parameter)

    def forward(
        self, queries: Tensor, roi_features: Tensor, mask_queries: Tensor | None = None, start: StageStart | None = None
    ) -> StageOutput:
        """queries [B, Q, D]; roi_features [B*Q, D, roi_size, roi_size]; mask_queries [B, Q, D], where masks have their own.

        start: what `start` gives for these queries, where it is known.
        """
        attended, for_masks, weights = self.start(queries, mask_queries) if start is None else start
        x = attended.flatten(0, 1)  # [B*Q, D]
        x = self.interaction_norm(x + self.interaction.convolve(weights.flatten(0, 1), roi_features))
        x = self.ffn_norm(x + self.ffn(x))
        out = x.view_as(queries)
        return StageOutput(self.fc_cls(self.cls_layers(out)), self.fc_reg(self.reg_layers(out)), out, for_masks)

    def start(self, queries: Tensor, mask_queries: Tensor | None = None) -> StageStart:
        """What follows from the queries alone, whatever the image."""
        attended = for_masks = self._attend(queries)
        if mask_queries is not None or self.separate_mask_attention:
            for_masks = self._attend_for_masks(queries if mask_queries is None else mask_queries)
        return StageStart(attended, for_masks, self.interaction.generator(attended))

    def _attend(self, queries: Tensor) -> Tensor:
        return self.attention_norm(queries + self.attention(queries, queries, queries, need_weights=False)[0])

    def _attend_for_masks(self, queries: Tensor) -> Tensor:
        if not self.separate_mask_attention:
            return self._attend(queries)
        return self.mask_attention_norm(queries + self.mask_attention(queries, queries, queries, need_weights=False)[0])


def _branch(dim: int, num_layers: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(num_layers):
        layers += [nn.Linear(dim, dim, bias=False), nn.LayerNorm(dim), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
