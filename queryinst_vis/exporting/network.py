"""QueryInst as one function of tensors, from normalised pixels to chosen detections and their masks: what is exported.

`forward` of the model gives all queries, and `postprocess` chooses on the host. Here the choice is part of the graph, so that the
mask head runs on what is kept, and another program needs nothing of ours but resizing and pasting.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.models.queryinst import QueryInst


class DetectionNetwork(nn.Module):
    """A trained model for inference, without what the host does."""

    def __init__(self, model: QueryInst) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, image_hw: Tensor, min_score: Tensor) -> tuple[Tensor, ...]:
        """images: [B, 3, H, W] normalised and padded; image_hw: float [B, 2], without padding; min_score: float [].

        Gives the fields of Detections, as a plain tuple, which every format knows.
        """
        outputs = self.model(images, image_hw)
        pairs = self.model.best_pairs(outputs.state, min_score)
        image, rank = pairs.keep.nonzero().unbind(1)
        rows = image, pairs.query[image, rank], pairs.label[image, rank], pairs.score[image, rank]
        # at least one detection: graphs cannot hold layers that may get no rows
        found = self.model.read(outputs, *(F.pad(field, (0, 1)) for field in rows), each_once=False)
        return tuple(field[:-1] for field in found)
