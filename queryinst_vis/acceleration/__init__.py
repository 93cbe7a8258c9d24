"""Models made fast for inference: what can be folded and laid out once is not done with every frame. Results stay the same."""

from queryinst_vis.acceleration.accelerate import PRECISIONS, accelerate

__all__ = ["PRECISIONS", "accelerate"]
