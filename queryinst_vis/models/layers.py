"""Dynamic convolution of Sparse R-CNN (arXiv 2011.12450, section 3.3): each query makes the weights that read its RoI."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DynamicConv(nn.Module):
    """Two 1x1 convolutions, channels -> hidden -> channels, with weights generated from a query.

    roi_size: with it, the result is flattened (position-major) and projected to one vector per query; without, a map is returned.
    """

    def __init__(self, channels: int, hidden: int, *, roi_size: int | None = None) -> None:
        super().__init__()
        self.channels, self.hidden = channels, hidden
        self.generator = nn.Linear(channels, 2 * channels * hidden)
        self.norm_in = nn.LayerNorm(hidden)
        self.norm_out = nn.LayerNorm(channels)
        self.project = nn.Linear(channels * roi_size**2, channels) if roi_size else None
        self.project_norm = nn.LayerNorm(channels) if roi_size else None

    def forward(self, queries: Tensor, roi_features: Tensor) -> Tensor:
        """queries [R, C], roi_features [R, C, h, w] -> [R, C] (with projection) or [R, C, h, w]."""
        return self.convolve(self.generator(queries), roi_features)

    def convolve(self, weights: Tensor, roi_features: Tensor) -> Tensor:
        """The same with weights [R, 2 * C * hidden] that are made of the queries already."""
        height, width = roi_features.shape[-2:]
        features = roi_features.flatten(2).transpose(1, 2)  # [R, h*w, C]
        weights_in, weights_out = weights.split(self.channels * self.hidden, dim=1)
        features = torch.bmm(features, weights_in.reshape(-1, self.channels, self.hidden))
        features = F.relu(self.norm_in(features))
        features = torch.bmm(features, weights_out.reshape(-1, self.hidden, self.channels))
        features = F.relu(self.norm_out(features))  # [R, h*w, C]
        if self.project is None or self.project_norm is None:
            return features.transpose(1, 2).reshape(-1, self.channels, height, width)
        return F.relu(self.project_norm(self.project(features.flatten(1))))


def batch_norm_to_eval(module: nn.Module) -> None:
    """Running statistics are used and stay as they are, also while training; affine parameters still learn."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eval()


def xavier_init(module: nn.Module) -> None:
    """Xavier uniform for every parameter of more than one dimension, as the reference starts its heads."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
