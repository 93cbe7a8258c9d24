"""Instance annotations in COCO's JSON as a dataset of samples."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from queryinst_vis.data.annotation_table import AnnotationTable
from queryinst_vis.data.class_labels import annotated_flags, class_names, labels_by_category
from queryinst_vis.data.coco_json import DatasetError, read_coco
from queryinst_vis.data.image_file import check_image_folder, read_image
from queryinst_vis.data.json_tables import Rows
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.remarks import training_remarks
from queryinst_vis.data.sample import Sample
from queryinst_vis.data.transforms import Transform, augment
from queryinst_vis.registry import DATASETS

MIN_SIDE = 32  # training images with a shorter side are left out


@DATASETS.register_module()
class CocoDataset(Dataset[Sample]):
    """Images with boxes and masks of the classes asked for.

    annotations: JSON file; images: the folder its file names are relative to; classes: names in label order (categories of other
    names are left out); annotated_classes: those that were labelled in these images, None for all: the others are not background.
    training: leave out images with a side below 32 pixels or without any annotation of the classes; keep_empty: but keep the
    latter, to be learned as background.
    remarks: of a training set, lines on what may not have been meant.
    Raises DatasetError when the file or the folder is unusable, or when no image is left.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        *,
        classes: Sequence[str],
        transforms: Sequence[Transform] = (),
        annotated_classes: Sequence[str] | None = None,
        training: bool = False,
        keep_empty: bool = False,
    ) -> None:
        self.annotations_path = Path(annotations)
        self.image_folder = check_image_folder(images)
        self.classes = class_names(classes)
        self.transforms = list(transforms)
        self.annotated_classes = annotated_flags(annotated_classes, self.classes)
        content = read_coco(self.annotations_path)
        labels = labels_by_category(
            content["categories"],
            self.classes,
            required=annotated_classes or self.classes,
            name=str(self.annotations_path),
            remedy="; name the classes it does label as `annotated_classes`",
        )
        self._load(content, labels, training=training, keep_empty=keep_empty)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """An augmented sample; an index alone means seed 0, epoch 0."""
        key = SampleKey.of(key)
        return augment(self.load(key.index), self.transforms, key.rng())

    @property
    def aspect_ratios(self) -> np.ndarray:
        """float [I], width / height of each image."""
        return self.image_hws[:, 1] / self.image_hws[:, 0]

    @property
    def object_counts(self) -> np.ndarray:
        """int64 [I], objects of the classes in each image, crowd regions not counted."""
        return self._table.num_objects()

    def load(self, index: int) -> Sample:
        """The sample as the file has it, before any transform."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} images")
        height, width = self.image_hws[index].tolist()
        where = f"image {self.image_ids[index]} of {self.annotations_path}"
        image = read_image(self.image_folder / self.file_names[index], (height, width), where=where)
        return Sample(
            image=torch.from_numpy(image).permute(2, 0, 1),
            targets=replace(self._table.targets(index), annotated_classes=self.annotated_classes),
            image_id=int(self.image_ids[index]),
            original_hw=(height, width),
            file_name=self.file_names[index],
        )

    def _load(self, content: dict[str, Rows], labels: dict[int, int], *, training: bool, keep_empty: bool) -> None:
        by_image: dict[int, Rows] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            if annotation["category_id"] in labels:
                by_image[annotation["image_id"]].append(annotation)
        images, self.remarks = content["images"], []
        if training:
            self.remarks = training_remarks(
                content,
                self.classes,
                annotated=self._annotated_names(),
                name=str(self.annotations_path),
                num_empty=sum(not by_image[image["id"]] for image in images),
                keep_empty=keep_empty,
            )
            images = [i for i in images if min(i["width"], i["height"]) >= MIN_SIDE and (keep_empty or by_image[i["id"]])]
        if not images or (training and not any(by_image[image["id"]] for image in images)):
            raise DatasetError(f"{self.annotations_path}: no image of at least {MIN_SIDE} pixels shows any of the classes")
        self.image_ids = np.array([image["id"] for image in images], dtype=np.int64)
        self.image_hws = np.array([(image["height"], image["width"]) for image in images], dtype=np.int64)  # [I, 2]
        self.file_names = [image["file_name"] for image in images]
        groups = [by_image[image["id"]] for image in images]
        places = (f"image {image_id}" for image_id in self.image_ids)
        self._table = AnnotationTable.pack(groups, self.image_hws, labels, name=str(self.annotations_path), places=places)

    def _annotated_names(self) -> list[str]:
        """The classes that were labelled."""
        flags = self.annotated_classes
        return [name for index, name in enumerate(self.classes) if flags is None or flags[index]]
