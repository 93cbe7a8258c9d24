"""The mask heads of QueryInst's stages ("Instances as Queries", ICCV 2021, section 3.2), as mmdetection's DynamicMaskHead.

Options are the rows of the paper's tables 4 and 5: heads without dynamic convolution, and mask information flow.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.models.layers import DynamicConv, xavier_init


class MaskHead(nn.Module):
    """Dynamic convolution of a query with its RoI, convolutions, and one mask of twice the RoI size per class (or one for all).

    num_classes: 1 gives a class-agnostic head. dynamic: without, no query takes part, as in Mask R-CNN. takes_flow: adds what the
    convolutions of an earlier head gave, through a 1x1 convolution and ReLU, to the RoI's features (HTC, arXiv 1901.07518).
    """

    keeps_weights = ("logits",)  # they are read class by class

    def __init__(
        self,
        num_classes: int,
        *,
        embed_dim: int = 256,
        dynamic_dim: int = 64,
        num_convs: int = 4,
        roi_size: int = 14,
        dynamic: bool = True,
        takes_flow: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes, self.roi_size = num_classes, roi_size
        self.flow = nn.Conv2d(embed_dim, embed_dim, 1) if takes_flow else None
        self.interaction = DynamicConv(embed_dim, dynamic_dim) if dynamic else None
        self.convs = nn.Sequential(*(_ConvNormRelu(embed_dim) for _ in range(num_convs)))
        self.upsample = nn.ConvTranspose2d(embed_dim, embed_dim, 2, stride=2)
        self.logits = nn.Conv2d(embed_dim, num_classes, 1)
        xavier_init(self)
        nn.init.zeros_(self.logits.bias)  # type: ignore[arg-type]
        self._low_dtype: torch.dtype | None = None

    def lower_precision(self, dtype: torch.dtype) -> None:
        """Compute all but the single masks' logits in `dtype` from now on."""
        self._low_dtype = dtype
        for part in (self.flow, self.interaction, self.convs, self.upsample):
            if part is not None:
                part.to(dtype)

    @property
    def mask_size(self) -> int:
        """Side of the masks in cells."""
        return 2 * self.roi_size

    def convolved(self, mask_queries: Tensor, roi_features: Tensor, flow: Tensor | None = None) -> Tensor:
        """mask_queries [R, D], roi_features and flow, an earlier head's result, [R, D, r, r] -> [R, D, r, r]."""
        if self._low_dtype is not None:
            mask_queries, roi_features = mask_queries.to(self._low_dtype), roi_features.to(self._low_dtype)
        if self.flow is not None and flow is not None:
            roi_features = roi_features + F.relu(self.flow(flow))
        if self.interaction is not None:
            roi_features = self.interaction(mask_queries, roi_features)
        return self.convs(roi_features)

    def features(self, mask_queries: Tensor, roi_features: Tensor, flow: Tensor | None = None) -> Tensor:
        """The same -> what the masks of all classes are read from, [R, D, 2r, 2r]."""
        return F.relu(self.upsample(self.convolved(mask_queries, roi_features, flow)))

    def class_logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Mask logits [R, 2r, 2r] of one class per row. features: [R, D, 2r, 2r]; labels: int64 [R]."""
        channel = labels if self.num_classes > 1 else torch.zeros_like(labels)
        weights, biases = self.logits.weight[channel].flatten(1), self.logits.bias[channel]  # type: ignore[index]  # [R, D], [R]
        return torch.einsum("rdhw,rd->rhw", features, weights.to(features.dtype)) + biases[:, None, None]

    def forward(self, mask_queries: Tensor, roi_features: Tensor, labels: Tensor) -> Tensor:
        """Mask logits [R, 2r, 2r], for each row the channel of its class."""
        return self.class_logits(self.features(mask_queries, roi_features), labels)


class MaskHeads(nn.ModuleList):
    """Those of the stages that learn masks, the last stage's always.

    With flow, a head is run after all earlier ones, each on the same RoI features and with its own stage's query (HTC's order;
    which queries the paper's models read is not published).
    """

    def __init__(self, heads: Iterable[MaskHead]) -> None:
        super().__init__(heads)

    @classmethod
    def of_stages(
        cls, num_stages: int, num_classes: int, *, dynamic: bool, flow: bool, last_only: bool, **sizes: int
    ) -> "MaskHeads":
        """last_only: one head, for the last stage; the other stages learn no masks. sizes: of every MaskHead."""
        if flow and last_only:
            raise ValueError("mask_flow goes through heads of all stages, and last_stage_masks leaves only one")
        count = 1 if last_only else num_stages
        return cls(MaskHead(num_classes, dynamic=dynamic, takes_flow=flow and index > 0, **sizes) for index in range(count))

    @property
    def has_flow(self) -> bool:
        return self[-1].flow is not None

    def remember(self, mask_queries: Tensor, earlier: Tensor | None) -> Tensor:
        """What `features` needs of a stage's queries: themselves [B, Q, D], or with flow those of all stages so far [B, Q, S, D].

        earlier: what this gave at the stage before.
        """
        if not self.has_flow:
            return mask_queries
        newest = mask_queries[:, :, None]
        return newest if earlier is None else torch.cat([earlier, newest], dim=2)

    def features(self, index: int, mask_embeds: Tensor, roi_features: Tensor) -> Tensor:
        """What the masks of one head are read from, [R, D, 2r, 2r]; mask_embeds: rows of what `remember` gave at its stage."""
        if not self.has_flow:
            return self[index].features(mask_embeds, roi_features)
        flow = None
        *earlier, last = list(self)[: index % len(self) + 1]
        for head, embeds in zip(earlier, mask_embeds.unbind(1), strict=False):
            flow = head.convolved(embeds, roi_features, flow)
        return last.features(mask_embeds[:, len(earlier)], roi_features, flow)


class _ConvNormRelu(nn.Sequential):
    def __init__(self, channels: int) -> None:
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        super().__init__(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
