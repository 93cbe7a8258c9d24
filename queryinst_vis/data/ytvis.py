"""YouTube-VIS and every data set in the same JSON: clips to train on. Whole videos to test on are in data/videos.py.

Key and reference frames follow MaskTrack R-CNN (arXiv 1905.04804) and mmdetection 3.3 (a range of frames), clips of more frames
TeViT (arXiv 2204.08412), which skips videos with too few frames; here frames occur several times then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from queryinst_vis.data.annotation_table import AnnotationTable
from queryinst_vis.data.class_labels import annotated_flags, category_names, class_names, labels_by_category
from queryinst_vis.data.coco import MIN_SIDE
from queryinst_vis.data.image_file import check_image_folder, read_image
from queryinst_vis.data.json_tables import DatasetError, Rows, is_whole
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.sample import Clip, Sample
from queryinst_vis.data.transforms import Transform, augment
from queryinst_vis.data.videos import VideoSample, YtvisVideos
from queryinst_vis.data.ytvis_frames import FrameTable, annotations_by_frame
from queryinst_vis.data.ytvis_json import read_ytvis
from queryinst_vis.registry import DATASETS

__all__ = ["VideoSample", "YtvisDataset", "YtvisVideos"]


@DATASETS.register_module()
class YtvisDataset(Dataset[Clip]):
    """Clips of annotated videos: each frame once as the key frame, with reference frames drawn from the same video.

    annotations: JSON file; images: the folder its file names are relative to; classes: names in label order, by default the
    file's categories by increasing id (objects of other categories are left out); annotated_classes: those that were labelled in
    these videos, None for all: the others are not background. renamed: categories of the file that count as a class of another
    name, e.g. {"animal": "dog"}. num_frames: frames of a clip; max_distance: how many frames a
    reference may lie before or after the key frame, None for any. training: only frames of at least 32 x 32 pixels that show an
    object of the classes, crowd regions not counted, are key or reference frames.
    Raises DatasetError when file or folder is unusable, or when no frame is left.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        *,
        classes: Sequence[str] | None = None,
        transforms: Sequence[Transform] = (),
        num_frames: int = 2,
        max_distance: int | None = None,
        annotated_classes: Sequence[str] | None = None,
        renamed: Mapping[str, str] | None = None,
        training: bool = True,
    ) -> None:
        _check_clip(num_frames, max_distance)
        self.annotations_path = Path(annotations)
        self.image_folder = check_image_folder(images)
        self.transforms = list(transforms)
        self.num_frames = num_frames
        self.max_distance = max_distance
        content = read_ytvis(self.annotations_path)
        name = str(self.annotations_path)
        content["categories"] = _renamed(content["categories"], renamed or {}, name=name)
        self.classes = category_names(content["categories"], name=name) if classes is None else class_names(classes)
        self.annotated_classes = annotated_flags(annotated_classes, self.classes)
        required = annotated_classes or self.classes
        self._load(content, labels_by_category(content["categories"], self.classes, required=required, name=name), training)

    def __len__(self) -> int:
        return len(self._usable)

    def __getitem__(self, key: int | SampleKey) -> Clip:
        """An augmented clip, all frames alike; an index alone means seed 0, epoch 0."""
        key = SampleKey.of(key)
        self._check_index(key.index)
        # Other numbers than those of the augmentation, so that the choice of frames does not depend on the transforms.
        frames = self._clip(key.index, np.random.default_rng((*key, 1)))
        return Clip([augment(self._sample(frame), self.transforms, key.rng()) for frame in frames])

    @property
    def aspect_ratios(self) -> np.ndarray:
        """float [len], width / height of each key frame."""
        height, width = self._frames.image_hws[self._usable].T
        return width / height

    def load(self, index: int) -> Sample:
        """A key frame as the file has it, before any transform. Its image_id counts the frames of the whole file from 0."""
        self._check_index(index)
        return self._sample(int(self._usable[index]))

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} frames")

    def _load(self, content: dict[str, Rows], labels: dict[int, int], training: bool) -> None:
        name = str(self.annotations_path)
        self._frames = FrameTable.of(content["videos"])
        groups = annotations_by_frame(content, set(labels), name=name)
        places = map(self._frames.place, range(len(groups)))
        self._table = AnnotationTable.pack(groups, self._frames.image_hws, labels, name=name, places=places, has_tracks=True)
        usable = np.ones(len(groups), dtype=bool)
        if training:
            usable = (self._table.num_objects() > 0) & (self._frames.image_hws.min(axis=1) >= MIN_SIDE)
        self._usable = np.flatnonzero(usable)  # frames that may be key or reference frames, increasing
        if not len(self._usable):
            raise DatasetError(f"{name}: no frame of at least {MIN_SIDE} pixels shows any of the classes {list(self.classes)}")

    def _clip(self, index: int, rng: np.random.Generator) -> list[int]:
        """The key frame and its references, as positions in the file."""
        key = int(self._usable[index])
        others = self._references(key)
        order = rng.permutation(others) if len(others) else np.array([key])
        return [key, *np.resize(order, self.num_frames - 1).tolist()]

    def _references(self, key: int) -> np.ndarray:
        """Usable frames of the same video within the distance, without the frame itself."""
        video = self._frames.video_of(key)
        low, high = self._frames.starts[video], self._frames.starts[video + 1] - 1
        if self.max_distance is not None:
            low, high = max(low, key - self.max_distance), min(high, key + self.max_distance)
        near = self._usable[np.searchsorted(self._usable, low) : np.searchsorted(self._usable, high, side="right")]
        return near[near != key]

    def _sample(self, frame: int) -> Sample:
        height, width = self._frames.image_hws[frame].tolist()
        file_name = self._frames.file_names[frame]
        where = f"{self._frames.place(frame)} of {self.annotations_path}"
        return Sample(
            image=torch.from_numpy(read_image(self.image_folder / file_name, (height, width), where=where)).permute(2, 0, 1),
            targets=replace(self._table.targets(frame), annotated_classes=self.annotated_classes),
            image_id=frame,
            original_hw=(height, width),
            file_name=file_name,
        )


def _renamed(categories: Rows, renamed: Mapping[str, str], *, name: str) -> Rows:
    """DatasetError: one to rename is not there."""
    names = {category["name"] for category in categories}
    if unknown := sorted(set(renamed) - names):
        raise DatasetError(f"{name}: has no category {unknown[0]!r} to rename, only {sorted(names)}")
    return [category | {"name": renamed.get(category["name"], category["name"])} for category in categories]


def _check_clip(num_frames: int, max_distance: int | None) -> None:
    if not is_whole(num_frames) or num_frames < 1:
        raise DatasetError(f"num_frames must be a whole number from 1, got {num_frames!r}")
    if max_distance is not None and (not is_whole(max_distance) or max_distance < 1):
        raise DatasetError(
            f"max_distance must be a whole number from 1, or None for any frame of the video, got {max_distance!r}"
        )
