"""Pictures of what models and trackers found."""

from queryinst_vis.visualization.draw import Trails, draw_instances
from queryinst_vis.visualization.palette import colour_of

__all__ = ["Trails", "colour_of", "draw_instances"]
