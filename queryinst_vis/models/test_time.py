"""Test-time augmentation: one image seen at several sizes and mirrored, the detections of all views put together.

As the original QueryInst code does it (hustvl/QueryInst; mmdetection has none for this model): every view gives its own best
detections with their masks, and class-aware suppression of boxes chooses among them. Nothing is averaged.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torchvision.ops import batched_nms

from queryinst_vis.models.base import ImageModel, Preprocess
from queryinst_vis.models.wrapper import ModelWrapper
from queryinst_vis.structures import Instances

_MAX_DETECTIONS = 100  # of a model that does not say


class TestTimeAugmentation(ModelWrapper):
    """An image model whose `predict` looks at each image several times; all else is the model's own.

    shorts: short sides in pixels at which to look, none for the model's own; flip: look at each of them mirrored too.
    nms_threshold: box IoU above which the weaker of two detections of a class goes; max_detections: so many are kept, by default
    as many as the model gives. With a single view that is the model's own, its detections are left as they are.
    """

    __test__ = False  # no test of pytest's

    def __init__(
        self,
        model: ImageModel,
        *,
        shorts: Sequence[int] = (),
        flip: bool = True,
        nms_threshold: float = 0.7,
        max_detections: int | None = None,
    ) -> None:
        super().__init__(model)
        self.flip, self.nms_threshold = flip, nms_threshold
        self.preprocesses = [model.preprocess.resized(short) for short in shorts] or [model.preprocess]
        self.max_detections = max_detections or getattr(model, "max_detections", _MAX_DETECTIONS)

    @property
    def num_views(self) -> int:
        """How often each image is looked at."""
        return len(self.preprocesses) * (2 if self.flip else 1)

    @torch.inference_mode()
    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        """Instances of each image (uint8 [H, W, 3] RGB), best first, without those scored below `min_score`."""
        views = list(self._views(images, min_score))
        if len(views) == 1:
            return views[0]
        return [self._merge(of_image) for of_image in zip(*views, strict=True)]

    def _views(self, images: Sequence[np.ndarray], min_score: float) -> Iterator[list[Instances]]:
        """What the model finds in all images, one view after the other, in pixels of the images as they are."""
        mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in images] if self.flip else []
        for preprocess in self.preprocesses:
            with _preprocessing(self.model, preprocess):
                yield self.model.predict(images, min_score=min_score)
                if self.flip:
                    yield [found.flipped() for found in self.model.predict(mirrored, min_score=min_score)]

    def _merge(self, views: Sequence[Instances]) -> Instances:
        """The best of what was found in the views of one image."""
        found = [view for view in views if len(view)]  # what is empty may lack masks that the others have
        if not found:
            return views[0]
        together = Instances.cat(list(_with_own_queries(found)))
        kept = batched_nms(together.boxes, together.scores, together.labels, self.nms_threshold)
        return together[kept[: self.max_detections]]


@contextmanager
def _preprocessing(model: ImageModel, preprocess: Preprocess) -> Iterator[None]:
    own = model.preprocess
    model.preprocess = preprocess
    try:
        yield
    finally:
        model.preprocess = own


def _with_own_queries(views: Sequence[Instances]) -> Iterator[Instances]:
    """Views whose query ids differ from view to view: the same query sees something else in each."""
    first = 0
    for view in views:
        if view.query_ids is not None:
            view = replace(view, query_ids=view.query_ids + first)
            first = int(view.query_ids.max()) + 1  # type: ignore[union-attr]
        yield view
