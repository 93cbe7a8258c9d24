"""Class logits of a user's classes from the logits of a detector that knows others.

A detector's answer says much about classes that it was never taught: what it takes a new object for, and how sure it is that
there is an object at all. So each new class begins either as the detector's class of its name or, without one, as what stands
out from the background, whatever it is; training then finds the combination of the detector's classes that fits it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_NEW_CLASS_BIAS = -2.0  # an object of unknown kind begins with an odds of e^-2 of those that it is anything the detector knows


class ClassMap(nn.Module):
    """Linear, from the detector's C logits and the largest of them: [..., C] -> [..., K] for K new classes.

    detector_classes, classes: names in label order.
    """

    def __init__(self, detector_classes: Sequence[str], classes: Sequence[str]) -> None:
        super().__init__()
        known = {name: index for index, name in enumerate(detector_classes)}
        weight, bias = torch.zeros(len(classes), len(known) + 1), torch.zeros(len(classes))
        for row, name in enumerate(classes):
            weight[row, known.get(name, len(known))] = 1.0
            bias[row] = 0.0 if name in known else _NEW_CLASS_BIAS
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, logits: Tensor) -> Tensor:
        inputs = torch.cat([logits, logits.amax(-1, keepdim=True)], dim=-1)
        return nn.functional.linear(inputs, self.weight, self.bias)
