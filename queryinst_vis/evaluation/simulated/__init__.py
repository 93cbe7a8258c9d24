"""A simulated detector, to compare trackers without a model. Whatever shows numbers made with it calls them "simulated"."""

from queryinst_vis.evaluation.simulated.detector import SimulatedDetector
from queryinst_vis.evaluation.simulated.difficulty import LEVELS, Difficulty, parse_difficulty

__all__ = ["LEVELS", "Difficulty", "SimulatedDetector", "parse_difficulty"]
