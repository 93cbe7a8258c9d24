"""Class logits of a user's classes from the logits of a detector that knows others.

What a detector takes a new object for, and how sure it is that there is anything at all, says much about a class that it was
never taught. So each new class is a linear combination of those that the detector knows: a few hundred numbers, which a few dozen
pictures determine in seconds (`fit`). They are trained further with the rest of the model.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NEW_CLASS_BIAS = -2.0  # of a class without a name that the detector knows: any object may be one, with odds of e^-2
_STRENGTH = 0.1  # of staying near the start, against a loss of about one for each class


class ClassMap(nn.Module):
    """Linear, from the detector's C logits and the largest of them: [..., C] -> [..., K] for K classes.

    detector_classes, classes: names in label order. A class starts as the detector's of its name, or as whatever stands out.
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
        return F.linear(torch.cat([logits, logits.amax(-1, keepdim=True)], dim=-1), self.weight, self.bias)

    @property
    def is_at_start(self) -> bool:
        """Whether nothing was learned yet."""
        return bool(((self.weight == 0) | (self.weight == 1)).all())

    def fit(self, logits: Tensor, quality: Tensor, weights: Tensor) -> None:
        """Logistic regression towards soft labels, not far from where the map is; convex, so the result follows from the data.

        logits: the detector's, [N, C]; quality: in [0, 1], how well a box fits an object of each class, 0 for none, [N, K];
        weights: of each of these, [N, K].
        """
        start = self.weight.detach().clone()
        objects = ((quality > 0) * weights).sum(0).clamp(min=1)
        optimizer = torch.optim.LBFGS([self.weight, self.bias], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            losses = F.binary_cross_entropy_with_logits(self(logits), quality, weights, reduction="none")
            loss = (losses.sum(0) / objects).sum() + _STRENGTH * (self.weight - start).square().sum()
            loss.backward()
            return loss

        with torch.enable_grad():
            optimizer.step(closure)  # type: ignore[no-untyped-call]
        optimizer.zero_grad()

    def likest(self, row: int, count: int = 2) -> list[int]:
        """The detector's classes that speak most for one of the new ones, the weightiest first; none that speak against it."""
        values, indices = self.weight[row, :-1].detach().topk(min(count, self.weight.shape[1] - 1))
        return [int(index) for value, index in zip(values, indices, strict=True) if value > 0]
