"""The public data sets: where their files lie under a root, what is in them, where they come from (docs/datasets.md).

Numbers of videos are those of https://youtube-vos.org/dataset/vis and of the OVIS paper (arXiv 2102.01558), of images those of
the files. Everything else that differs between them is in their JSON.
"""

from dataclasses import dataclass
from typing import Literal

from queryinst_vis.data import classes


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a data set. annotations, images: relative to the root, the usual place first; count: of videos or images;
    needed: whether a training or a local evaluation reads it."""

    name: str
    annotations: tuple[str, ...]
    images: tuple[str, ...]
    count: int
    needed: bool = True


@dataclass(frozen=True, slots=True)
class PublicDataset:
    """kind: which format its JSON has; classes: names by increasing id, as the files spell them."""

    title: str
    kind: Literal["ytvis", "coco"]
    classes: tuple[str, ...]
    splits: tuple[Split, ...]
    homepage: str
    licence: str


def _ytvis_2019(name: str, count: int, *, needed: bool = True) -> Split:
    return Split(name, (f"{name}.json", f"{name}/instances.json"), (f"{name}/JPEGImages",), count, needed)


def _ytvis_2021(name: str, count: int, *, needed: bool = True) -> Split:
    return Split(name, (f"{name}/instances.json", f"{name}.json"), (f"{name}/JPEGImages",), count, needed)


def _ovis(name: str, count: int, *, needed: bool = True) -> Split:
    return Split(name, (f"annotations_{name}.json",), (name, f"Images/{name}"), count, needed)


def _coco(name: str, file: str, count: int, *, needed: bool = True) -> Split:
    return Split(name, (f"annotations/{file}",), (f"{name}2017",), count, needed)


def _cityscapes(name: str, count: int, *, needed: bool = True) -> Split:
    return Split(name, (f"annotations/instancesonly_filtered_gtFine_{name}.json",), (f"leftImg8bit/{name}",), count, needed)


PUBLIC_DATASETS = {
    "youtube_vis_2019": PublicDataset(
        title="YouTube-VIS 2019",
        kind="ytvis",
        classes=classes.YTVIS_2019,
        splits=(_ytvis_2019("train", 2238), _ytvis_2019("valid", 302), _ytvis_2019("test", 343, needed=False)),
        homepage="https://youtube-vos.org/dataset/vis",
        licence="annotations CC BY 4.0; the videos belong to their YouTube authors",
    ),
    "youtube_vis_2021": PublicDataset(
        title="YouTube-VIS 2021",
        kind="ytvis",
        classes=classes.YTVIS_2021,
        splits=(_ytvis_2021("train", 2985), _ytvis_2021("valid", 421), _ytvis_2021("test", 453, needed=False)),
        homepage="https://youtube-vos.org/dataset/vis",
        licence="annotations CC BY 4.0; the videos belong to their YouTube authors",
    ),
    "ovis": PublicDataset(
        title="OVIS",
        kind="ytvis",
        classes=classes.OVIS,
        splits=(_ovis("train", 607), _ovis("valid", 140), _ovis("test", 154, needed=False)),
        homepage="https://songbai.site/ovis",
        licence="see its homepage",
    ),
    "coco": PublicDataset(
        title="COCO 2017",
        kind="coco",
        classes=classes.COCO,
        splits=(
            _coco("train", "instances_train2017.json", 118287),
            _coco("val", "instances_val2017.json", 5000),
            _coco("test", "image_info_test-dev2017.json", 20288, needed=False),
        ),
        homepage="https://cocodataset.org",
        licence="annotations CC BY 4.0; each image has the licence its Flickr author chose",
    ),
    "cityscapes": PublicDataset(
        title="Cityscapes (instances)",
        kind="coco",
        classes=classes.CITYSCAPES,
        splits=(_cityscapes("train", 2975), _cityscapes("val", 500), _cityscapes("test", 1525, needed=False)),
        homepage="https://www.cityscapes-dataset.com",
        licence="its own, for non-commercial purposes, after registration",
    ),
}
