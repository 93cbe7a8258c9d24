"""Whole videos for testing and for results: frames are decoded when they are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torch.utils.data import Dataset

from queryinst_vis.data.class_labels import category_names, class_names
from queryinst_vis.data.image_file import check_image_folder, read_image
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.ytvis_json import read_ytvis, video_name
from queryinst_vis.registry import DATASETS
from queryinst_vis.structures import Frame


@dataclass(frozen=True, slots=True)
class VideoSample:
    """One video as an annotation file lists it.

    file_names: of its frames, relative to image_folder; annotations: the file, for messages.
    """

    video_id: int
    name: str
    image_hw: tuple[int, int]
    file_names: list[str]
    fps: float
    image_folder: Path = Path()
    annotations: Path | None = None

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.file_names)

    def frames(self) -> Iterator[Frame]:
        """All frames in order, decoded one by one. DatasetError: one is missing, broken or of another size."""
        source = f" of {self.annotations}" if self.annotations else ""
        where = f"video {self.video_id} ({self.name}){source}"
        time_base = 1 / Fraction(self.fps).limit_denominator(1001)
        for index, file_name in enumerate(self.file_names):
            image = read_image(self.image_folder / file_name, self.image_hw, where=where)
            yield Frame(image, index, pts=index, time_base=time_base)


@DATASETS.register_module()
class YtvisVideos(Dataset[VideoSample]):
    """The videos of a YouTube-VIS JSON, in its order; annotations are not needed and not looked at.

    annotations: JSON file; images: the folder its file names are relative to; classes: the model's names in label order, by
    default the file's categories by increasing id; fps: frames per second of the listed frames.
    category_ids: the file's category of each label, None for classes it does not know (results leave them out).
    Raises DatasetError when file or folder is unusable, or when no class is among the categories.
    """

    def __init__(
        self, annotations: str | Path, images: str | Path, *, classes: Sequence[str] | None = None, fps: float = 6.0
    ) -> None:
        if not fps > 0:
            raise DatasetError(f"fps must be above 0, got {fps}")
        self.annotations_path = Path(annotations)
        self.image_folder = check_image_folder(images)
        self.fps = fps
        content = read_ytvis(self.annotations_path)
        names = category_names(content["categories"], name=str(self.annotations_path))
        self.classes = names if classes is None else class_names(classes)
        ids = {category["name"]: category["id"] for category in content["categories"]}
        self.category_ids: tuple[int | None, ...] = tuple(ids.get(name) for name in self.classes)
        if all(category_id is None for category_id in self.category_ids):
            raise DatasetError(f"{annotations}: none of its categories {list(names)} is among the classes {list(self.classes)}")
        self._videos = content["videos"]

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, key: int | SampleKey) -> VideoSample:
        index = SampleKey.of(key).index
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} videos")
        video = self._videos[index]
        return VideoSample(
            video_id=video["id"],
            name=video_name(video),
            image_hw=(video["height"], video["width"]),
            file_names=video["file_names"],
            fps=self.fps,
            image_folder=self.image_folder,
            annotations=self.annotations_path,
        )
