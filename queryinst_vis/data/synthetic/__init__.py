"""Generated videos of moving shapes with exact masks and identities, in YouTube-VIS's format, as hard as one likes."""

from queryinst_vis.data.synthetic.settings import LEVELS, SyntheticSettings, settings_of
from queryinst_vis.data.synthetic.shapes import CLASSES
from queryinst_vis.data.synthetic.videos import CATEGORIES, SyntheticVideo, synthetic_set

__all__ = [
    "CATEGORIES",
    "CLASSES",
    "LEVELS",
    "SyntheticSettings",
    "SyntheticVideo",
    "settings_of",
    "synthetic_set",
]
