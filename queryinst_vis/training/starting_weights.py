"""Weights that a training starts from, and what becomes of classes that they know or do not know."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.conversion import to_our_names
from queryinst_vis.data.classes import COCO
from queryinst_vis.load_report import LoadReport
from queryinst_vis.model_zoo import PUBLISHED, weights_path
from queryinst_vis.models.base import ImageModel
from queryinst_vis.training.classes import listed
from queryinst_vis.weights_file import read_weights

_CLASS_LAYER = re.compile(r"(.*\.fc_cls|mask_heads\.\d+\.logits|queries\.class_map)\.(weight|bias)")  # a row for each class


def load_starting_weights(
    model: ImageModel, source: str | Path, *, allow_shape_mismatch: bool, classes: Sequence[str] = ()
) -> LoadReport:
    """Copy weights into a model; of layers with a row for each class, rows of classes of the same name are taken over.

    source: a file or a name of model_zoo. allow_shape_mismatch: all else that has another shape stays as it is in the model.
    classes: those of the weights, in label order, for a file that does not name them.
    Raises CheckpointError when the weights do not fit.
    """
    wanted = model.info.classes
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items() if tensor.shape[:1] == (len(wanted),)}
    report = load_weights(model, source, allow_shape_mismatch=allow_shape_mismatch)
    file = read_weights(weights_path(source))
    known = COCO if source in PUBLISHED else file.info.classes or tuple(classes)
    if not known or known == wanted:
        return report
    rows = _rows_to_take(known, wanted)
    tensors = to_our_names(file.tensors)[1]
    names = [n for n in fresh if n in tensors and _counts_classes(n, fresh[n], tensors[n], len(known), len(wanted))]
    _take_rows(model, names, fresh, tensors, rows)
    return replace(report, notes=(*report.notes, *_notes(known, wanted, rows))) if names else report


def _rows_to_take(known: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    """For each class wanted, the row of the known one that it starts as, None for a fresh start.

    Of as many classes, one of a new name in the place of one that is gone was renamed.
    """
    rows = [known.index(name) if name in known else None for name in wanted]
    if len(known) != len(wanted):
        return rows
    return [place if row is None and known[place] not in wanted else row for place, row in enumerate(rows)]


def _counts_classes(name: str, ours: Tensor, theirs: Tensor, num_known: int, num_wanted: int) -> bool:
    """Whether a tensor has a row for each class: one whose name or whose difference says so."""
    counts = (theirs.shape[:1], ours.shape[:1]) == ((num_known,), (num_wanted,)) and theirs.shape[1:] == ours.shape[1:]
    return counts and (num_known != num_wanted or _CLASS_LAYER.fullmatch(name) is not None)


@torch.no_grad()
def _take_rows(
    model: ImageModel, names: Sequence[str], fresh: Mapping[str, Tensor], theirs: Mapping[str, Tensor], rows: Sequence[int | None]
) -> None:
    own = model.state_dict()
    for name in names:
        for our_row, their_row in enumerate(rows):
            own[name][our_row] = fresh[name][our_row] if their_row is None else theirs[name][their_row]


def _notes(known: Sequence[str], wanted: Sequence[str], rows: Sequence[int | None]) -> list[str]:
    same = [name for name in wanted if name in known]
    renamed = [
        f"{name} as {known[row]}" for name, row in zip(wanted, rows, strict=True) if row is not None and known[row] != name
    ]
    fresh = [name for name, row in zip(wanted, rows, strict=True) if row is None]
    if len(renamed) == len(wanted):
        return [f"the weights know {listed(known)}, the config has {listed(wanted)}: each starts as the one in its place"]
    but = "but for " if len(known) != len(wanted) else ""
    return [
        *([f"{but}classes of the same name, which start as the weights know them: {listed(same)}"] if same else []),
        *([f"classes that start as the one in their place: {listed(renamed)}"] if renamed else []),
        *([f"classes that start fresh: {listed(fresh)}"] if same and fresh else []),
    ]
