"""Cutting annotated videos into two sets: the validation sets of YouTube-VIS and OVIS have no public annotations."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import video_name

Content = dict[str, Any]


def split_by_share(content: Content, *, share: float, seed: int) -> tuple[Content, Content]:
    """(training, validation): about `share` of the videos are for validation, drawn by `seed`.

    Every category that occurs in two videos or more is on both sides as far as that number of videos allows. content: sound
    annotations, as `check_ytvis` accepts them; what else is in it goes to both sides. DatasetError: a side would be empty.
    """
    videos = [video["id"] for video in content["videos"]]
    if not 0 < share < 1 or len(videos) < 2:
        raise DatasetError(f"a share of {share} of {len(videos)} videos cannot be cut off: both sides need a video")
    count = round(share * len(videos))
    order = [videos[position] for position in np.random.default_rng(seed).permutation(len(videos))]
    return _cut(content, _draw(order, _categories_by_video(content), min(max(count, 1), len(videos) - 1)))


def split_by_name(content: Content, names: Sequence[str]) -> tuple[Content, Content]:
    """(training, validation): the videos of these names or ids are for validation. DatasetError: there is none of a name."""
    chosen: set[int] = set()
    for name in names:
        found = {video["id"] for video in content["videos"] if name in (video_name(video), str(video["id"]))}
        if not found:
            known = ", ".join(video_name(video) for video in content["videos"][:5])
            raise DatasetError(f"no video is called {name!r}; the first ones are {known}")
        chosen |= found
    if len(chosen) == len(content["videos"]):
        raise DatasetError("all videos would be for validation, and none for training")
    return _cut(content, chosen)


def one_sided_categories(training: Content, validation: Content) -> tuple[list[str], list[str]]:
    """Names of the categories that occur only in the one and only in the other."""
    sides = [{annotation["category_id"] for annotation in side.get("annotations") or []} for side in (training, validation)]
    names = {category["id"]: category["name"] for category in training["categories"]}
    first, second = (sorted(names[category] for category in ids) for ids in (sides[0] - sides[1], sides[1] - sides[0]))
    return first, second


def _categories_by_video(content: Content) -> dict[int, set[int]]:
    categories: dict[int, set[int]] = {video["id"]: set() for video in content["videos"]}
    for annotation in content.get("annotations") or []:
        categories[annotation["video_id"]].add(annotation["category_id"])
    return categories


def _draw(order: Sequence[int], categories: dict[int, set[int]], count: int) -> set[int]:
    """`count` videos, or fewer when more would leave a category without training videos; order: all of them, shuffled."""
    left = Counter(category for held in categories.values() for category in held)  # videos in training
    wanted = {category for category, videos in left.items() if videos > 1}  # not yet in validation
    chosen: set[int] = set()

    def gain(video: int) -> int:
        return -1 if any(left[category] < 2 for category in categories[video]) else len(categories[video] & wanted)

    while len(chosen) < count:
        rarest = min(wanted, key=lambda category: (left[category], category), default=None)
        free = [video for video in order if video not in chosen and (rarest is None or rarest in categories[video])]
        best = max(free, key=gain, default=None)  # of equals the first in the order
        if best is not None and gain(best) >= 0:
            chosen.add(best)
            left.subtract(categories[best])
            wanted -= categories[best]
        elif rarest is not None:
            wanted.discard(rarest)  # it cannot be on both sides
        else:
            break
    return chosen


def _cut(content: Content, validation: Collection[int]) -> tuple[Content, Content]:
    """Both sides keep ids, categories and whatever else the file holds."""
    sides = []
    for wanted in (False, True):
        side = dict(content)
        side["videos"] = [video for video in content["videos"] if (video["id"] in validation) == wanted]
        if content.get("annotations"):
            side["annotations"] = [a for a in content["annotations"] if (a["video_id"] in validation) == wanted]
        sides.append(side)
    return sides[0], sides[1]
