"""Where the queries of a query-based model start: boxes, contents and, if the module knows any, class logits."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from queryinst_vis.ops.boxes import cxcywh_to_xyxy
from queryinst_vis.registry import MODELS


class InitialQueries(NamedTuple):
    """boxes [B, Q, 4] xyxy in input pixels; embeds [B, Q, D]; prior_logits [B, Q, C], which the stages add to, or None."""

    boxes: Tensor
    embeds: Tensor
    prior_logits: Tensor | None

    def of(self, images: slice) -> "InitialQueries":
        """The same of some images of the batch."""
        return InitialQueries(*(None if part is None else part[images] for part in self))


@MODELS.register_module()
class LearnedQueries(nn.Module):
    """The reference: tables of Q boxes (cx, cy, w, h in units of the image, at first all of it) and Q contents."""

    def __init__(self, num_queries: int, embed_dim: int) -> None:
        super().__init__()
        self.num_queries = num_queries
        self.boxes = nn.Parameter(torch.tensor([[0.5, 0.5, 1.0, 1.0]]).repeat(num_queries, 1))
        self.embeds = nn.Parameter(torch.randn(num_queries, embed_dim))

    def forward(self, images: Tensor, features: Sequence[Tensor], image_hw: Tensor) -> InitialQueries:
        """images [B, 3, H, W] and features, maps of the backbone, are not used; image_hw: float [B, 2], sizes without padding."""
        whwh = image_hw.flip(1).repeat(1, 2)  # [B, 4]
        boxes = cxcywh_to_xyxy(self.boxes)[None] * whwh[:, None]
        return InitialQueries(boxes, self.embeds[None].expand(len(image_hw), -1, -1), None)
