"""Whether the images that annotations list are there, and whether they can be read and have the size the annotations say."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from queryinst_vis.data.image_file import read_image
from queryinst_vis.data.json_tables import DatasetError, Rows
from queryinst_vis.data.ytvis_json import describe_video

_EXAMPLES = 3  # missing images named in a line
_THREADS = 8


@dataclass(frozen=True, slots=True)
class ListedImage:
    """image_hw: (height, width) in the annotations; where: what they call it."""

    path: Path
    image_hw: tuple[int, int]
    where: str


def listed_images(tables: Mapping[str, Rows], folder: Path) -> dict[str, list[ListedImage]]:
    """The frames of each video, or all images in one group, by a name for messages. tables: of either format, sound."""
    if "videos" not in tables:
        images = tables["images"]
        return {"images": [ListedImage(folder / i["file_name"], (i["height"], i["width"]), f"image {i['id']}") for i in images]}
    return {
        describe_video(video): [
            ListedImage(folder / file_name, (video["height"], video["width"]), f"{describe_video(video)}, frame {frame}")
            for frame, file_name in enumerate(video["file_names"])
        ]
        for video in tables["videos"]
    }


def check_images(
    groups: Mapping[str, Sequence[ListedImage]], folder: Path, *, decode: bool, on_image: Callable[[], None]
) -> tuple[list[str], list[str]]:
    """(facts, problems) in lines. decode: read every image; on_image: called after each that was read."""
    total = sum(map(len, groups.values()))
    missing = {name: [image for image in images if not _has_content(image.path)] for name, images in groups.items()}
    num_missing = sum(map(len, missing.values()))
    if num_missing == total:
        first = next(iter(groups.values()))[0].path
        return [], [f"{folder}: holds none of the {total} images; the first should be {first}"]
    problems = [_missing_line(name, images, len(groups[name])) for name, images in missing.items() if images]
    facts = [f"{folder}: {total - num_missing} of {total} images are there{'' if decode else ', none was opened'}"]
    if decode:
        left_out = {image.path for images in missing.values() for image in images}
        present = [image for images in groups.values() for image in images if image.path not in left_out]
        problems += _undecodable(present, on_image)
    return facts, problems


def _missing_line(group: str, images: Sequence[ListedImage], total: int) -> str:
    examples = ", ".join(str(image.path) for image in images[:_EXAMPLES]) + (", ..." if len(images) > _EXAMPLES else "")
    return f"{group}: {len(images)} of {total} images are missing or empty: {examples}"


def _has_content(path: Path) -> bool:
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False


def _undecodable(images: Iterable[ListedImage], on_image: Callable[[], None]) -> Iterator[str]:
    with ThreadPoolExecutor(_THREADS) as pool:
        for problem in pool.map(_decoding_problem, images):
            on_image()
            if problem:
                yield problem


def _decoding_problem(image: ListedImage) -> str | None:
    try:
        read_image(image.path, image.image_hw, where=image.where)
    except DatasetError as error:
        return str(error)
    return None
