"""Feature pyramid network (arXiv 1612.03144) as mmdetection computes it: no norm, nearest upsampling to the exact size."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.limits import Count
from queryinst_vis.registry import MODELS


@MODELS.register_module()
class FPN(nn.Module):
    """One output level for each input level, all of `out_channels`. Starts xavier uniform, zero bias."""

    def __init__(self, in_channels: Sequence[Count], out_channels: Count) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.lateral = nn.ModuleList(nn.Conv2d(c, out_channels, 1) for c in in_channels)
        self.output = nn.ModuleList(nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in in_channels)
        for conv in [*self.lateral, *self.output]:
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps of one image batch, finest first -> the same sizes with `out_channels` channels."""
        laterals = [conv(x) for conv, x in zip(self.lateral, features, strict=True)]
        for level in range(len(laterals) - 2, -1, -1):
            upper = F.interpolate(laterals[level + 1], size=laterals[level].shape[-2:], mode="nearest")
            laterals[level] = laterals[level] + upper
        return [conv(x) for conv, x in zip(self.output, laterals, strict=True)]
