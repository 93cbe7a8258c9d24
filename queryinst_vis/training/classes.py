"""Whether model, data, metric and weights speak of the same classes: lists of names, whose order counts."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import Evaluator

from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel

Names = Sequence[str]


def listed(names: Names) -> str:
    """The first few, and how many there are of many."""
    return (", ".join(names[:5]) or "none") + (f", ... ({len(names)} classes)" if len(names) > 5 else "")


def check_model_classes(model: ImageModel, config_classes: Names = ()) -> None:
    """UserError: the model's heads are made for another number of classes than have names, or the config names others."""
    names, count = model.info.classes, getattr(model, "num_classes", None)
    if names and count is not None and count != len(names):
        raise UserError(
            f"model.num_classes={count}, but the classes are {listed(names)}, {len(names)} in all; "
            'model.num_classes="{num_classes}" in a config counts the setting `classes`'
        )
    check_same("info.classes or train_dataset.classes", names, "the config's classes", config_classes)


def check_dataset_classes(setting: str, dataset: Any, model_classes: Names) -> None:
    """UserError: a dataset's labels mean other classes than the model's. setting: what the dataset is called in a config."""
    check_same(f"{setting}.classes", getattr(dataset, "classes", ()), "the model's", model_classes)


def check_measured_classes(names: Names, evaluator: Evaluator) -> None:
    """UserError: a metric takes a model's labels for other classes than `names`, those it was trained on."""
    for metric in evaluator.metrics:
        check_same("val_metric.classes", getattr(metric, "classes", ()), "the model's", names)


def check_same(what: str, names: Names, whose: str, others: Names) -> None:
    """UserError: two lists of names differ; nothing is said of a list that is not known."""
    if not names or not others or tuple(names) == tuple(others):
        return
    if sorted(names) == sorted(others):
        difference = "in another order, and labels are positions"
    elif len(names) == len(others):
        difference = "as many, but others"
    else:
        difference = f"{len(names)} and not {len(others)}"
    raise UserError(f"{what} are {listed(names)}; {whose} are {listed(others)}: {difference}. Give both the same list")
