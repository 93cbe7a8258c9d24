"""Weights that a training starts from, and what becomes of classes that they know or do not know."""

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


def load_starting_weights(model: ImageModel, source: str | Path, *, allow_shape_mismatch: bool) -> LoadReport:
    """Copy weights into a model; of layers with a row for each class, rows of classes of the same name are taken over.

    source: a file or a name of model_zoo. allow_shape_mismatch: all else that has another shape stays as it is in the model.
    Raises CheckpointError when the weights do not fit.
    """
    report = load_weights(model, source, allow_shape_mismatch=allow_shape_mismatch)
    file = read_weights(weights_path(source))
    known, wanted = COCO if source in PUBLISHED else file.info.classes, model.info.classes
    notes = list(report.notes)
    if len(known) == len(wanted) and tuple(known) != tuple(wanted):
        notes.append(f"the weights know {listed(known)}, the config has {listed(wanted)}: each starts as the one in its place")
    if report.mismatched and (same := [name for name in wanted if name in known]):
        _take_rows(model, to_our_names(file.tensors)[1], report.mismatched, known)
        notes.append(f"but for classes of the same name, which start as the weights know them: {listed(same)}")
    return replace(report, notes=tuple(notes))


def _take_rows(model: ImageModel, tensors: Mapping[str, Tensor], mismatched: Mapping[str, tuple], known: Sequence[str]) -> None:
    """Copy the rows of classes of the same name, of tensors that have one for each class."""
    wanted, own = model.info.classes, model.state_dict()
    rows = [(wanted.index(name), row) for row, name in enumerate(known) if name in wanted]
    for name, (theirs, ours) in mismatched.items():
        if (theirs[:1], ours[:1]) == ((len(known),), (len(wanted),)) and theirs[1:] == ours[1:]:
            with torch.no_grad():
                for our_row, their_row in rows:
                    own[name][our_row].copy_(tensors[name][their_row])
