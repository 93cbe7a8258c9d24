"""Cityscapes' labels: their numbers, which of them are counted as objects, and which its benchmark of objects takes for void.

https://github.com/mcordts/cityscapesScripts, helpers/labels.py. The benchmark ignores caravans and trailers, so they are void,
but only as groups: a single one has a number of its own in an instance image, which its evaluation does not look up.
"""

from typing import NamedTuple

from queryinst_vis.data.classes import CITYSCAPES

IDS_PER_LABEL = 1000  # object n of label l has the number 1000 l + n in an instance image; what is no single object has l


class Label(NamedTuple):
    """has_instances: its objects are told apart; is_void: ignored by the benchmark."""

    id: int
    name: str
    has_instances: bool = False
    is_void: bool = False


LABELS = (
    Label(0, "unlabeled", is_void=True),
    Label(1, "ego vehicle", is_void=True),
    Label(2, "rectification border", is_void=True),
    Label(3, "out of roi", is_void=True),
    Label(4, "static", is_void=True),
    Label(5, "dynamic", is_void=True),
    Label(6, "ground", is_void=True),
    Label(7, "road"),
    Label(8, "sidewalk"),
    Label(9, "parking", is_void=True),
    Label(10, "rail track", is_void=True),
    Label(11, "building"),
    Label(12, "wall"),
    Label(13, "fence"),
    Label(14, "guard rail", is_void=True),
    Label(15, "bridge", is_void=True),
    Label(16, "tunnel", is_void=True),
    Label(17, "pole"),
    Label(18, "polegroup", is_void=True),
    Label(19, "traffic light"),
    Label(20, "traffic sign"),
    Label(21, "vegetation"),
    Label(22, "terrain"),
    Label(23, "sky"),
    Label(24, "person", has_instances=True),
    Label(25, "rider", has_instances=True),
    Label(26, "car", has_instances=True),
    Label(27, "truck", has_instances=True),
    Label(28, "bus", has_instances=True),
    Label(29, "caravan", has_instances=True, is_void=True),
    Label(30, "trailer", has_instances=True, is_void=True),
    Label(31, "train", has_instances=True),
    Label(32, "motorcycle", has_instances=True),
    Label(33, "bicycle", has_instances=True),
    Label(-1, "license plate", is_void=True),  # never drawn
)
LABEL_BY_NAME = {label.name: label for label in LABELS}
LABEL_IDS = {name: LABEL_BY_NAME[name].id for name in CITYSCAPES}  # of the classes that are measured
