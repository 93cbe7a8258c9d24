"""Registries: for what a person types on a command line and for what weights files name. Configs name classes directly.

Children of mmengine's roots, so mmengine's own tools find them. `available(registry)` lists names after importing ours.
"""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

_SCOPE = "queryinst_vis"

MODELS = Registry("model", parent=MMENGINE_MODELS, scope=_SCOPE, locations=["queryinst_vis.models"])
TRACKERS = Registry("tracker", scope=_SCOPE, locations=["queryinst_vis.trackers"])
DATASETS = Registry("dataset", parent=MMENGINE_DATASETS, scope=_SCOPE, locations=["queryinst_vis.data"])
METRICS = Registry("metric", parent=MMENGINE_METRICS, scope=_SCOPE, locations=["queryinst_vis.evaluation"])


def available(registry: Registry) -> list[str]:
    """Names a person may use."""
    registry.import_from_location()
    return sorted(registry.module_dict)
