"""What datasets give: one image with its ground truth, or frames of one video."""

from dataclasses import dataclass

from torch import Tensor

from queryinst_vis.structures import Targets


@dataclass(slots=True, repr=False, eq=False)
class Sample:
    """image: uint8 [3, h, w] RGB; targets in its pixels; image_id and file_name as in the annotation file; original_hw: (height,
    width) in pixels before any transform."""

    image: Tensor
    targets: Targets
    image_id: int
    original_hw: tuple[int, int]
    file_name: str

    @property
    def image_hw(self) -> tuple[int, int]:
        return self.image.shape[1], self.image.shape[2]

    def __repr__(self) -> str:
        return f"Sample({self.file_name!r}, id {self.image_id}, image {list(self.image.shape)}, {self.targets})"


@dataclass(slots=True, repr=False, eq=False)
class Clip:
    """Frames of one video for training, all of one size: first the key frame, then reference frames; targets have track_ids."""

    frames: list[Sample]

    def __post_init__(self) -> None:
        if not self.frames or any(frame.image_hw != self.frames[0].image_hw for frame in self.frames):
            raise ValueError(f"a clip is made of frames of one size, got {[frame.image_hw for frame in self.frames]}")

    @property
    def image_id(self) -> int:
        """Of the key frame."""
        return self.frames[0].image_id

    @property
    def file_name(self) -> str:
        """Of the key frame."""
        return self.frames[0].file_name

    def __repr__(self) -> str:
        return f"Clip({', '.join(map(repr, self.frames))})"
