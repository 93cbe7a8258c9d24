"""Where the queries of a query-based model start: boxes, contents and, if the module knows any, class logits."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.limits import Count
from queryinst_vis.ops.boxes import box_iou, cxcywh_to_xyxy
from queryinst_vis.registry import MODELS


class InitialQueries(NamedTuple):
    """boxes [B, Q, 4] xyxy in input pixels; embeds [B, Q, D]; prior_logits [B, Q, C], which the stages add to, or None;
    mask_embeds [B, Q, D], where masks have queries of their own, or None."""

    boxes: Tensor
    embeds: Tensor
    prior_logits: Tensor | None = None
    mask_embeds: Tensor | None = None

    def of(self, images: slice) -> "InitialQueries":
        """The same of some images of the batch."""
        return InitialQueries(*(None if part is None else part[images] for part in self))


@MODELS.register_module()
class LearnedQueries(nn.Module):
    """The reference: tables of Q boxes (cx, cy, w, h in units of the image) and Q contents.

    grid: boxes are at first spread over the image, which learns faster from little data, instead of being all of it.
    separate_mask_embeds: a second table of contents, for masks alone (the paper's table 6).
    """

    def __init__(self, num_queries: Count, embed_dim: Count, *, grid: bool = False, separate_mask_embeds: bool = False) -> None:
        super().__init__()
        self.num_queries, self.embed_dim = num_queries, embed_dim
        boxes = _grid_boxes(num_queries) if grid else torch.tensor([[0.5, 0.5, 1.0, 1.0]]).repeat(num_queries, 1)
        self.boxes = nn.Parameter(boxes)
        self.embeds = nn.Parameter(torch.randn(num_queries, embed_dim))
        self.mask_embeds = nn.Parameter(torch.randn(num_queries, embed_dim)) if separate_mask_embeds else None

    def forward(self, images: Tensor, features: Sequence[Tensor], image_hw: Tensor) -> InitialQueries:
        """images [B, 3, H, W] and features, maps of the backbone, are not used; image_hw: float [B, 2], sizes without padding."""
        whwh = image_hw.flip(1).repeat(1, 2)  # [B, 4]
        boxes = cxcywh_to_xyxy(self.boxes)[None] * whwh[:, None]
        embeds, mask_embeds = (
            None if table is None else table[None].expand(image_hw.shape[0], -1, -1) for table in (self.embeds, self.mask_embeds)
        )
        return InitialQueries(boxes, embeds, mask_embeds=mask_embeds)  # type: ignore[arg-type]

    def fit_weights(self, tensors: dict[str, Tensor]) -> str | None:
        """Reduce the queries of other tables, by their names here, to as many as are here; says what was done, None for nothing.

        Fewer queries than here cannot be made more, and are left alone.
        """
        boxes, embeds = tensors.get("boxes"), tensors.get("embeds")
        if boxes is None or embeds is None or len(boxes) <= self.num_queries or boxes.shape[1:] != (4,):
            return None
        chosen = choose_queries(boxes, embeds, self.num_queries)
        tensors |= {name: tensors[name][chosen] for name in self.state_dict() if name in tensors}
        return f"{self.num_queries} of the {len(boxes)} initial queries chosen to stand for all: {chosen.tolist()}"


def _grid_boxes(count: int) -> Tensor:
    """[count, 4] as cx, cy, w, h: cells of a grid, row by row, each half as large again as its share of the image."""
    rows = max(round((count / 1.5) ** 0.5), 1)
    columns = -(-count // rows)
    index = torch.arange(count)
    centres = torch.stack([(index % columns + 0.5) / columns, (index // columns + 0.5) / rows], dim=1)
    return torch.cat([centres, torch.tensor([[1.5 / columns, 1.5 / rows]]).expand(count, -1)], dim=1)


def choose_queries(boxes: Tensor, embeds: Tensor, count: int) -> Tensor:
    """The `count` queries that together are most like all N: int64 [count], ascending.

    Greedy facility location: each next one raises most the sum over all queries of the likeness to their nearest chosen one.
    Likeness is box IoU plus the cosine of contents, so neither an oddity nor a second copy of a common query is taken.
    boxes: [N, 4] as cx, cy, w, h; embeds: [N, D].
    """
    corners, contents = cxcywh_to_xyxy(boxes.float()), F.normalize(embeds.float(), dim=1)
    likeness = box_iou(corners, corners) + contents @ contents.T + 1  # [N, N], none below 0
    nearest = torch.zeros(len(boxes), device=boxes.device)
    chosen: list[int] = []
    for _ in range(count):
        gains = torch.maximum(likeness, nearest).sum(1)
        gains[chosen] = -torch.inf
        chosen.append(int(gains.argmax()))
        nearest = torch.maximum(nearest, likeness[chosen[-1]])
    return torch.tensor(sorted(chosen))
