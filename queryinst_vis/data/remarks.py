"""What somebody who trains on a COCO file should know of it: nothing in it is wrong, but it may not be what was meant."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from queryinst_vis.data.json_tables import Rows

_MAX_NAMES = 5


def training_remarks(
    content: dict[str, Rows], classes: Sequence[str], *, annotated: Collection[str], name: str, num_empty: int, keep_empty: bool
) -> list[str]:
    """A line on each: categories nobody asked for, classes without an object, images without objects. name: of the file.

    annotated: those of the classes that were labelled; num_empty: images that show none of the classes.
    """
    counts = _objects_by_name(content)
    others = {category["name"]: counts[category["name"]] for category in content["categories"] if category["name"] not in classes}
    absent = [wanted for wanted in classes if wanted in annotated and not counts[wanted]]
    remarks = []
    if num_objects := sum(others.values()):
        remarks.append(f"{name}: {num_objects} objects of categories that are not among the classes, left out: {_named(others)}")
    if absent:
        remarks.append(f"{name}: no object of {_named(absent)}, so nothing can be learned of it")
    if num_empty:
        what = "learned as background" if keep_empty else "left out"
        remarks.append(f"{name}: {num_empty} of {len(content['images'])} images show none of the classes, {what}")
    return remarks


def _objects_by_name(content: dict[str, Rows]) -> Counter:
    names: dict[int, Any] = {category["id"]: category["name"] for category in content["categories"]}
    return Counter(names[annotation["category_id"]] for annotation in content["annotations"])


def _named(names: Collection[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(map(repr, list(names)[:_MAX_NAMES])) + more
