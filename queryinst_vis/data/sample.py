"""One training or test image with its ground truth, as datasets give it and transforms change it."""

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
