"""What models cost, without running them."""

from queryinst_vis.analysis.cost import NUM_OBJECTS, ModelCost, PartCost, analyze_model

__all__ = ["NUM_OBJECTS", "ModelCost", "PartCost", "analyze_model"]
