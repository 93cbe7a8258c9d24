"""Clips made of single pictures: each frame is the picture seen by a camera that moves, so that image data trains a track head.

The idea is that of CenterTrack's training on static images (arXiv 2004.01177). All objects move together: what tells them apart
is how they look, and the other objects of the picture are the hard negatives.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import Dataset

from queryinst_vis.data.affine_motion import AffineMotion
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.sample import Clip, Sample
from queryinst_vis.data.transforms import Transform, augment
from queryinst_vis.data.warp import warp
from queryinst_vis.registry import DATASETS


@DATASETS.register_module()
class PseudoClips(Dataset[Clip]):
    """Clips of another dataset's pictures, as many as it has.

    dataset: of samples with `load(index)`, such as CocoDataset, without transforms of its own. transforms: applied to all frames
    of a clip with the same random numbers. num_frames: the key frame and the reference frames, up to one unit of the motion's
    time before or after it. motion: what is drawn for each clip. min_visible: objects of which a smaller share is in a frame are
    left out of it. An object's track id is its place in the picture's annotations, from 1.
    """

    def __init__(
        self,
        dataset: Dataset[Sample],
        *,
        transforms: Sequence[Transform] = (),
        num_frames: int = 2,
        motion: AffineMotion | None = None,
        min_visible: float = 0.1,
    ) -> None:
        if not hasattr(dataset, "load"):
            raise DatasetError(f"PseudoClips needs a dataset with load(index), such as CocoDataset, got {type(dataset).__name__}")
        if getattr(dataset, "transforms", None):
            raise DatasetError("PseudoClips: give the transforms to PseudoClips, not to the dataset of its pictures")
        if isinstance(num_frames, bool) or not isinstance(num_frames, int) or num_frames < 1:
            raise DatasetError(f"num_frames must be a whole number from 1, got {num_frames!r}")
        if not 0 <= min_visible <= 1:
            raise DatasetError(f"min_visible must be from 0 to 1, got {min_visible!r}")
        self.dataset = dataset
        self.transforms = list(transforms)
        self.num_frames = num_frames
        self.motion = motion or AffineMotion()
        self.min_visible = min_visible
        self.classes: tuple[str, ...] = dataset.classes  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    @property
    def aspect_ratios(self) -> np.ndarray:
        """float [len], width / height of each picture."""
        return self.dataset.aspect_ratios  # type: ignore[attr-defined]

    def __getitem__(self, key: int | SampleKey) -> Clip:
        """A clip drawn from the key alone; an index alone means seed 0, epoch 0."""
        key = SampleKey.of(key)
        sample = self.dataset.load(key.index)  # type: ignore[attr-defined]
        rng = np.random.default_rng((*key, 1))  # other numbers than those of the augmentation
        path = self.motion.draw(rng)
        times = [0.0, *rng.uniform(-1, 1, self.num_frames - 1).tolist()]
        sample = numbered(sample)
        frames = [
            warp(sample, path.matrix(t, sample.image_hw), min_visible=self.min_visible, gains=path.colour_gains(t)) for t in times
        ]
        return Clip([augment(frame, self.transforms, key.rng()) for frame in frames])


def numbered(sample: Sample) -> Sample:
    """With track ids: places of the annotations, from 1."""
    return replace(sample, targets=replace(sample.targets, track_ids=torch.arange(1, len(sample.targets) + 1)))
