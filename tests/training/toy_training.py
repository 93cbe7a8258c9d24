"""A dataset, a model and a metric that train in milliseconds; for tests and their configs (this folder is on the path)."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.sample import Sample
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel, Preprocess
from queryinst_vis.registry import MODELS
from queryinst_vis.structures import ImageBatch, Instances, Targets


@MODELS.register_module()
class ToyModel(ImageModel):
    """Guesses one number of an image. norm and dropout: state and randomness that a resume has to restore."""

    def __init__(self, *, channels: int = 4, norm: bool = True, dropout: float = 0.3) -> None:
        super().__init__(preprocess=Preprocess(divisor=8))
        self.backbone = nn.Conv2d(3, channels, 3, stride=4)
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, 1)
        for parameter in self.frozen.parameters():
            nn.init.constant_(parameter, 0.5)

    def forward(self, images: Tensor, image_hw: Tensor) -> Tensor:
        return self.head(self.dropout(self.norm(self.backbone(images)).relu().mean((2, 3))))[:, 0]

    def loss(self, batch: ImageBatch, targets: Sequence[Targets]) -> dict[str, Tensor]:
        guess = self(batch.tensor, batch.tensor.new_tensor(batch.sizes))
        wanted = torch.stack([t.boxes.sum() for t in targets])
        return {"loss_guess": (guess - wanted).square().mean(), "accuracy": torch.tensor(50.0)}

    def postprocess(self, outputs: Tensor, batch: ImageBatch, *, min_score: float = 0.0) -> list[Instances]:
        return [
            Instances(hw, torch.tensor([[0.0, 0.0, 1.0, 1.0]]), value.sigmoid()[None].cpu(), torch.zeros(1, dtype=torch.int64))
            for hw, value in zip(batch.original_sizes, outputs, strict=True)
        ]


class ToyDataset:
    """Noise that depends on nothing but the key. bad: index of an image that cannot be read; nan: of one with a broken target."""

    classes = ("thing",)

    def __init__(self, length: int = 14, *, bad: int | None = None, nan: int | None = None) -> None:
        self.length, self.bad, self.nan = length, bad, nan
        self.loaded: list[SampleKey] = []

    @property
    def aspect_ratios(self) -> np.ndarray:
        return np.where(np.arange(self.length) % 3, 2.0, 0.5)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: int | SampleKey) -> Sample:
        key = SampleKey.of(key)
        self.loaded.append(key)
        if key.index == self.bad:
            raise UserError(f"{key.index}.jpg: cannot be read")
        rng = key.rng()
        image = torch.from_numpy(rng.integers(0, 256, (3, 16, 16 if key.index % 3 else 24), dtype=np.uint8))
        value = float("nan") if key.index == self.nan else 0.1 * key.index
        boxes = torch.tensor([[0.0, 0.0, value, 1.0]])
        return Sample(image, Targets(boxes, torch.zeros(1, dtype=torch.int64)), key.index, (32, 32), f"{key.index}.jpg")


class ToyMetric(BaseMetric):
    """Mean score of all detections."""

    def process(self, data_batch: Sequence[Sample], data_samples: Sequence[Instances]) -> None:
        self.results += [(sample.image_id, float(i.scores.mean())) for sample, i in zip(data_batch, data_samples, strict=True)]

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {"score": float(np.mean([score for _, score in results])), "images": len({image for image, _ in results})}


class Interruption(Hook):
    """Ctrl-C after so many iterations, before the next."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        if runner.iter == self.iteration:
            raise KeyboardInterrupt
