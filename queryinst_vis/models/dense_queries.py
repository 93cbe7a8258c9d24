"""Queries that start from a small dense detector: NanoDet-m proposes boxes, contents and class logits.

Learned queries need far more data than a small model gets. Here a detector that already knows the classes starts the same stage
loop, as Featurized Query R-CNN (arXiv 2206.06258) does with a query generator of its own. Box form: Generalized Focal Loss (arXiv
2006.04388). The detector's layers and names are NanoDet-m's (Apache-2.0, github.com/RangiLyu/nanodet), so its weights load.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.limits import Count, Share
from queryinst_vis.models.class_map import ClassMap
from queryinst_vis.models.queries import InitialQueries
from queryinst_vis.ops.nms import nms_mask
from queryinst_vis.registry import MODELS

_NUM_BINS = 8  # a side's distance is a distribution over 0..7 strides


class _Neck(nn.Module):
    """PAN without convolutions: 1x1 laterals, then bilinear resizing and addition up and down."""

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in in_channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        p3, p4, p5 = (conv(x) for conv, x in zip(self.lateral_convs, features, strict=True))
        m4 = p4 + _resize_like(p5, p4)
        n3 = p3 + _resize_like(m4, p3)
        n4 = m4 + _resize_like(n3, m4)
        n5 = p5 + _resize_like(n4, p5)
        return [n3, n4, n5]


def _resize_like(x: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(x, size=other.shape[-2:], mode="bilinear", align_corners=False)


class _LevelHead(nn.Module):
    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        for j in range(2):
            self.add_module(f"depthwise_{j}", nn.Conv2d(channels, channels, 3, padding=1, groups=channels))
            self.add_module(f"pointwise_{j}", nn.Conv2d(channels, channels, 1))
        self.predict = nn.Conv2d(channels, num_classes + 4 * _NUM_BINS, 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.depthwise_0, self.pointwise_0, self.depthwise_1, self.pointwise_1):
            x = F.leaky_relu(conv(x), 0.1)
        return self.predict(x)


class Cells(NamedTuple):
    """All cells of all levels: logits [B, A, C]; boxes [B, A, 4] xyxy in input pixels; features [B, A, channels] of the neck."""

    logits: Tensor
    boxes: Tensor
    features: Tensor


@MODELS.register_module()
class DenseQueries(nn.Module):
    """The best Q cells of NanoDet-m as initial queries.

    A cell's score is its largest class probability; the `num_candidates` best are thinned by class-agnostic NMS (suppressed ones
    follow the others, so there are always Q). num_queries may be changed at any time. frozen: the detector's parameters have no
    gradient. in_channels: of the backbone's last three maps, strides 8, 16, 32. classes: names of the model's classes when they
    are not the detector's; the detector keeps its own `num_classes`, whose names are `detector_classes`, and a ClassMap makes
    the priors; cells that it takes for one of the classes become queries too.
    """

    has_priors = True
    strides = (8, 16, 32)

    def __init__(
        self,
        num_queries: Count,
        embed_dim: Count,
        *,
        num_training_queries: Count | None = None,
        num_classes: Count = 80,
        in_channels: tuple[Count, Count, Count] = (116, 232, 464),
        channels: Count = 96,
        num_candidates: Count = 300,
        nms_threshold: Share = 0.7,
        frozen: bool = True,
        backbone: nn.Module | None = None,
        classes: Sequence[str] | None = None,
        detector_classes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if classes is not None and len(detector_classes) != num_classes:
            raise ValueError(
                f"detector_classes must name the detector's {num_classes} classes, got {len(detector_classes)} names"
            )
        self.num_queries, self.num_classes, self.embed_dim = num_queries, num_classes, embed_dim
        self.num_prior_classes = num_classes if classes is None else len(classes)
        self.in_channels = tuple(in_channels)
        self.num_training_queries = num_training_queries or num_queries
        self.num_candidates, self.nms_threshold = num_candidates, nms_threshold
        self.backbone = backbone
        self.neck = _Neck(in_channels, channels)
        self.head = nn.ModuleList(_LevelHead(channels, num_classes) for _ in self.strides)
        for part in (self.neck, self.head):
            part.requires_grad_(not frozen)
        self.content = nn.Sequential(
            nn.Linear(channels + num_classes + 4, 2 * embed_dim),
            nn.ReLU(inplace=True),
            nn.Linear(2 * embed_dim, embed_dim),
            nn.LayerNorm(embed_dim),
        )
        self.detector_classes = tuple(detector_classes)
        self.class_map = None if classes is None else ClassMap(detector_classes, classes)

    def forward(self, images: Tensor, features: Sequence[Tensor], image_hw: Tensor) -> InitialQueries:
        """images: [B, 3, H, W]; features: the model's maps, strides 8, 16, 32 last; image_hw: float [B, 2], without padding."""
        logits, boxes, contents = self.propose(images, features)
        whwh = image_hw.flip(1).repeat(1, 2)[:, None]
        embeds = self.content(torch.cat([contents, logits, 4 * boxes / whwh - 2], dim=-1))
        return InitialQueries(boxes, embeds, logits if self.class_map is None else self.class_map(logits))

    def propose(self, images: Tensor, features: Sequence[Tensor]) -> Cells:
        """The cells that become queries, [B, Q, ...]; arguments as of `forward`."""
        if self.backbone is not None:
            features = self.backbone(images)
        cells = self.detect(features[-3:])
        chosen = self.choose(cells)  # [B, Q]
        return Cells(*(x.gather(1, chosen[..., None].expand(-1, -1, x.shape[-1])) for x in cells))

    def detect(self, features: Sequence[Tensor]) -> Cells:
        """The dense detector itself on maps of strides 8, 16, 32."""
        levels = []
        for head, x, stride in zip(self.head, self.neck(features), self.strides, strict=True):
            predicted = head(x).flatten(2).transpose(1, 2)  # [B, h*w, C + 32]
            logits, bins = predicted.split([self.num_classes, 4 * _NUM_BINS], dim=-1)
            levels.append((logits, _decode_cells(bins, x.shape[-2:], stride), x.flatten(2).transpose(1, 2)))
        return Cells(*(torch.cat(parts, dim=1) for parts in zip(*levels, strict=True)))

    @torch.no_grad()
    def choose(self, cells: Cells) -> Tensor:
        """int64 [B, Q], the cells that become queries, best first; fewer than Q when the image has fewer cells."""
        num_queries = self.num_training_queries if self.training else self.num_queries
        logits = cells.logits if self.class_map is None else torch.cat([cells.logits, self.class_map(cells.logits)], dim=-1)
        candidates = logits.amax(-1).topk(min(self.num_candidates, logits.shape[1]), dim=1).indices
        boxes = cells.boxes.gather(1, candidates[..., None].expand(-1, -1, 4))
        suppressed = ~nms_mask(boxes.float(), self.nms_threshold)
        places = torch.arange(candidates.shape[1], device=candidates.device) + suppressed * self.num_candidates
        order = places.topk(min(num_queries, candidates.shape[1]), dim=1, largest=False).indices
        return candidates.gather(1, order)


def _decode_cells(bins: Tensor, hw: tuple[int, int], stride: int) -> Tensor:
    """Boxes [B, h*w, 4] of the cells of one level from their bin logits [B, h*w, 32]."""
    steps = torch.arange(_NUM_BINS, device=bins.device, dtype=torch.float32)
    probabilities = bins.unflatten(-1, (4, _NUM_BINS)).float().softmax(-1)
    distances = stride * (probabilities * steps).sum(-1)  # [B, h*w, 4]; no matrix product, which autocast would round
    y, x = (torch.arange(n, device=bins.device) * stride + (stride - 1) / 2 for n in hw)
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)  # [h*w, 2] as x, y
    return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)
