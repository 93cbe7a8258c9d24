"""Image models. Importing this package registers all of them."""

from queryinst_vis.models.base import ImageModel, ModelInfo, Preprocess

__all__ = ["ImageModel", "ModelInfo", "Preprocess"]
