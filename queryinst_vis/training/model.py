"""An image model as mmengine's Runner wants it."""

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor

from queryinst_vis.data.sample import Clip, Sample
from queryinst_vis.data.ytvis import VideoSample
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel
from queryinst_vis.pipeline import track_video
from queryinst_vis.structures import Instances, Track
from queryinst_vis.trackers import Tracker
from queryinst_vis.tracks import collect_tracks


class _AsArgument(BaseDataPreprocessor):
    """Hands the loader's list to `forward` as one argument."""

    def forward(self, data: Sequence[Sample], training: bool = False) -> dict[str, Any]:
        return {"samples": data}


class TrainingModel(BaseModel):
    """Samples from the loader to losses or detections; padding and normalising happen on the model's device.

    tracker: what follows objects through videos to predict.
    """

    def __init__(self, model: ImageModel, tracker: Tracker | None = None) -> None:
        super().__init__(data_preprocessor=_AsArgument())
        self.model, self.tracker = model, tracker

    def forward(
        self, samples: Sequence[Sample | Clip | VideoSample], mode: str
    ) -> dict[str, Tensor] | list[Instances | list[Track]]:
        """mode "loss": named scalars, of images or of clips; "predict": instances of each image, in the pixels it has, or tracks
        of each video.

        Images to predict come without transforms: the model's own preprocessing resizes them.
        """
        if mode == "predict":
            if isinstance(samples[0], VideoSample):
                return [self._tracks(video) for video in samples]
            return self.model.predict([sample.image.permute(1, 2, 0).cpu().numpy() for sample in samples])
        if mode == "loss":
            return self._loss(samples)
        raise ValueError(f"mode {mode!r} is not loss or predict")

    def _tracks(self, video: VideoSample) -> list[Track]:
        if self.tracker is None:
            raise UserError("the data are videos; to predict their tracks, a tracker is needed")
        self.tracker.reset()
        tracked = track_video(video.frames(), self.model, self.tracker)
        return collect_tracks(tracked, num_classes=len(self.model.info.classes))

    def _loss(self, samples: Sequence[Sample | Clip]) -> dict[str, Tensor]:
        device = self.model.device
        frames = [frame for sample in samples for frame in (sample.frames if isinstance(sample, Clip) else [sample])]
        batch = self.model.preprocess.collate([frame.image.to(device, non_blocking=True) for frame in frames])
        targets = [frame.targets.to(device) for frame in frames]
        if isinstance(samples[0], Clip):
            return self.model.clip_loss(batch, targets, clip_length=len(samples[0].frames))
        return self.model.loss(batch, targets)

    def init_weights(self) -> None:
        """Nothing: an image model initialises itself, and may have been given weights since."""


def image_model(model: Any) -> ImageModel:
    """The image model inside a TrainingModel, which may be wrapped for distributed training."""
    return getattr(model, "module", model).model
