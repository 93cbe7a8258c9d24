"""torch.export's files, written and run.

torch itself reads them as code of their author: expressions in them are evaluated, numbers may be pickles, operators any function
of torch. So ours hold none of that, and what holds it is refused before torch sees it.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from queryinst_vis.acceleration.programs import pack_program
from queryinst_vis.errors import UserError
from queryinst_vis.exporting.description import METADATA_KEY, FileDescription
from queryinst_vis.safe_load import CheckpointError, first_line

_MODEL = "model"
_DESCRIPTION = f"{METADATA_KEY}.json"
_MEMBERS = (  # below the archive's own folder
    r"archive_format|archive_version|byteorder|version|\.data/(version|serialization_id|alignment)|\.format_version|"
    rf"data/(weights/(weight_\d+|{_MODEL}_weights_config\.json)|constants/(tensor_\d+|{_MODEL}_constants_config\.json))|"
    rf"data/sample_inputs/{_MODEL}\.pt|models/{_MODEL}\.json|extra/{re.escape(_DESCRIPTION)}"
)
_OPERATOR = (
    r"torch\.ops\.(aten|queryinst_vis)\.(?!from_file)\w+\.\w+|torch\.sym_\w+|"
    r"_operator\.(add|sub|mul|floordiv|mod|neg|eq|ne|lt|le|gt|ge|and_|or_)"
)
_EXPRESSION_WORDS = (
    r"Add|Mul|Pow|Min|Max|Mod|PythonMod|FloorDiv|CleanDiv|CeilToInt|Integer|Symbol|LessThan|GreaterThan|StrictLessThan|"
    r"StrictGreaterThan|Equality|Unequality|And|Or|Not|Rational|integer|positive|nonnegative|nonzero|True|False|'[su]\d+'|-?\d+"
)
_EXPRESSION = rf"(({_EXPRESSION_WORDS})|[(),= ])*"
_ANNOTATIONS = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


def write_torch(program: ExportedProgram, description: FileDescription, path: Path) -> None:
    """OSError: the file cannot be written."""
    program._guards_code = []  # Python that torch would run; the sizes are checked here
    program._example_inputs = None
    for node in program.graph.nodes:
        for name in _ANNOTATIONS:  # they are for debugging, and tell of this machine
            node.meta.pop(name, None)
    try:
        with path.open("wb") as file:
            torch.export.save(program, file, extra_files={_DESCRIPTION: description.to_text()})
    except RuntimeError as error:  # torch says so of a full disk
        raise OSError(first_line(error)) from error


class TorchNetwork:
    """The network of a file, run by torch on a device."""

    def __init__(self, path: Path, device: torch.device) -> None:
        import queryinst_vis.ops.nms  # noqa: F401  # makes known the operation that the graph holds

        self.description = check_program_file(path)
        try:
            program = torch.export.load(path)
            if device.type != "cpu":
                program = torch.export.passes.move_to_device_pass(program, device)
            self._network = program.module(check_guards=False)
            if device.type == "cpu":
                pack_program(self._network)
        except Exception as error:
            raise CheckpointError(f"{path}: torch {torch.__version__} cannot read it ({first_line(error)})") from error
        self._device = device

    def __call__(self, images: Tensor, image_hw: Tensor, min_score: Tensor) -> list[Tensor]:
        try:
            with torch.no_grad():
                outputs = self._network(*(tensor.to(self._device) for tensor in (images, image_hw, min_score)))
        except (RuntimeError, AssertionError) as error:
            size = " x ".join(map(str, images.shape))
            raise UserError(f"the exported network does not run on {size} numbers ({first_line(error)})") from error
        return [output.cpu() for output in outputs]


def check_program_file(path: Path) -> FileDescription:
    """What a file of torch.export says of itself. CheckpointError: it is not ours, damaged, or holds what could be code."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            if len(members) != len(archive.infolist()) or len({name.partition("/")[0] for name in archive.namelist()}) != 1:
                raise CheckpointError(f"{path}: refused, two parts of it have one name")
            is_packed = any(info.compress_type != zipfile.ZIP_STORED for info in members.values())
            if is_packed or sum(info.file_size for info in members.values()) > path.stat().st_size:
                raise CheckpointError(f"{path}: refused, it holds compressed or overlapping data, which torch never writes")
            if unknown := [name for name in members if not re.fullmatch(_MEMBERS, name)]:
                raise CheckpointError(f"{path}: refused, {unknown[0]!r:.60} is no part of an exported model")
            if f"extra/{_DESCRIPTION}" not in members:
                return FileDescription.from_text(None, str(path))  # says so
            texts = {name: archive.read(info) for name, info in members.items() if name.endswith(".json")}
            samples = [archive.read(info) for name, info in members.items() if name.startswith("data/sample_inputs/")]
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path}: truncated, damaged, or not a file of torch.export ({first_line(error)})") from error
    if any(samples):
        raise CheckpointError(f"{path}: refused, it holds pickled samples")
    try:
        documents = {name: json.loads(text) for name, text in texts.items() if not name.startswith("extra/")}
        problem = next((problem for document in documents.values() for problem in _problems(document)), None)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged ({first_line(error)})") from error
    if problem is not None:
        raise CheckpointError(f"{path}: refused, it holds what could be code: {problem:.100}")
    return FileDescription.from_text(texts[f"extra/{_DESCRIPTION}"].decode(errors="replace"), str(path))


def _problems(value: Any, name: str = "") -> Iterator[str]:
    """What in a JSON document torch could take for code. name: of the field that holds the value."""
    if isinstance(value, list):
        for item in value:
            yield from _problems(item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            if name == "range_constraints" and not re.fullmatch(r"(\d+\*)?[su]\d+", key):
                yield key
            if key in _FOREIGN and item:
                yield key
            yield from _problems(item, key)
    elif isinstance(value, str):
        if not re.fullmatch(_ALLOWED.get(name, r"[\w.\-+ ,>]*"), value) and name not in _HARMLESS:
            yield f"{name} {value!r}"
    elif name == "use_pickle" and value is not False:
        yield "a pickle"


_ALLOWED = {
    "target": _OPERATOR,
    "expr_str": _EXPRESSION,
    "guards_code": "",
    "in_spec": r'[\w\s\[\]{}":,.]*',
    "out_spec": r'[\w\s\[\]{}":,.]*',
    "path_name": r"(weight|tensor)_\d+",
}
_FOREIGN = ("as_operator", "as_graph", "as_custom_obj", "as_opaque")  # our graphs have none
_HARMLESS = ("as_string",)  # text that operators take: equations of einsum, what an assertion says
