"""What looks at images in a way of its own with another model: at a part of them (region.py), or several times (test_time.py)."""

from typing import Any

from torch import Tensor

from queryinst_vis.models.base import ImageModel
from queryinst_vis.structures import ImageBatch, Instances


class ModelWrapper(ImageModel):
    """An image model around another one; its `predict` is its own, all else the inner model's."""

    def __init__(self, model: ImageModel) -> None:
        super().__init__(preprocess=model.preprocess)
        self.model, self.info, self.architecture = model, model.info, model.architecture
        self.is_small = model.is_small
        self.train(model.training)

    def forward(self, images: Tensor, image_hw: Tensor) -> Any:
        """The inner model's, of images as they are given."""
        return self.model(images, image_hw)

    def postprocess(self, outputs: Any, batch: ImageBatch, *, min_score: float = 0.0) -> list[Instances]:
        """The inner model's, in pixels of the images as they are given."""
        return self.model.postprocess(outputs, batch, min_score=min_score)
