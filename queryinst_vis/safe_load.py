"""Reading weights files that nobody vouches for: no code of the file runs, and a small file cannot become a large one.

Pickles go through torch's weights_only unpickler with an allow-list: plain data, tensors, mmengine's log history, numpy numbers.
numpy's classes are replaced by stand-ins while reading, because a pickled dtype may set flags that make numpy trust raw pointers.
"""

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from safetensors import SafetensorError, safe_open
from torch import Tensor

from queryinst_vis.errors import UserError
from queryinst_vis.ops.bounds import HEADER

_LENGTH_BYTES = 8  # of the number with which a safetensors file begins: the length of its header
_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.serialization.MAGIC_NUMBER, pickled with protocol 2


class CheckpointError(UserError):
    """A weights file that cannot be read, found, trusted or fitted to the model."""


def safe_load(path: str | Path) -> dict[str, Any]:
    """The content of a torch checkpoint (`.pth`, `.pt`), tensors on the CPU, read without running its code.

    Takes training checkpoints of mmengine as well, optimizer and message hub included, so that a run can be resumed from them.
    Raises CheckpointError when the file is missing, damaged, not a checkpoint, or asks for anything outside the allow-list.
    """
    path = check_file(path)
    _check_container(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_ALLOWED):
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged and hostile files make torch raise almost anything
        raise CheckpointError(_refusal(path, error)) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, a checkpoint is a dict")
    return content


def load_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (on the CPU) and metadata of a safetensors file. Raises CheckpointError as `safe_load` does."""
    path = check_file(path)
    with path.open("rb") as file:
        if problem := HEADER.problem(int.from_bytes(file.read(_LENGTH_BYTES), "little")):
            raise CheckpointError(f"{path}: damaged, or its header is too large: {problem}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({first_line(error)})") from error


def check_file(path: str | Path) -> Path:
    """The path, if a regular, non-empty file lies there."""
    path = Path(path).expanduser()
    if not path.exists():
        raise CheckpointError(f"{path}: no such file")
    if not path.is_file():
        raise CheckpointError(f"{path}: is {'a folder' if path.is_dir() else 'not a regular file'}, expected a weights file")
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if is_empty:
        raise CheckpointError(f"{path}: is empty")
    return path


def _check_container(path: Path) -> None:
    """Refuse what torch never writes: other formats, and zip archives that hold more than their own size."""
    with path.open("rb") as file:
        head = file.read(len(_LEGACY_MAGIC))
    if head == _LEGACY_MAGIC:
        return
    if not head.startswith(_ZIP_MAGIC):
        raise CheckpointError(f"{path}: is not a torch checkpoint (safetensors files need that suffix)")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path}: truncated or damaged ({first_line(error)})") from error
    is_packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if is_packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise CheckpointError(f"{path}: holds compressed or overlapping data, which torch never writes; refused")


def _refusal(path: Path, error: Exception) -> str:
    if wanted := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"{path}: refused, it wants to call {wanted[1]}, which is not among the harmless types of a checkpoint"
    if isinstance(error, pickle.UnpicklingError):
        reason = first_line(error.__context__ or error)  # torch wraps the cause in advice to load it all the same
        return f"{path}: refused, it is damaged or holds more than plain data and tensors ({reason})"
    return f"{path}: truncated or damaged ({first_line(error)})"


def first_line(error: BaseException) -> str:
    """What an error says, short enough for a line; its type if it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__


class _Dtype:
    """Stands in for numpy.dtype: numbers, booleans and text only; of a pickled state only the byte order is taken."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        self.value = np.dtype(str(code))
        if self.value.kind not in "biufcSU":
            raise pickle.UnpicklingError(f"arrays of {self.value} are not read")

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class _Array(np.ndarray):
    """Stands in for numpy.ndarray while reading; pickles as a plain array."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array's state is not plain bytes")
        super().__setstate__((1, shape, dtype.value, is_fortran, data))

    def __reduce__(self) -> str | tuple[Any, ...]:
        return np.array(self, subok=False).__reduce__()


class _History(HistoryBuffer):
    """Stands in for HistoryBuffer, whose own `__setstate__` lets a file replace functions; becomes a HistoryBuffer."""

    def __setstate__(self, state: dict) -> None:
        log, count = state["_log_history"], state["_count_history"]
        super().__init__(np.asarray(log, float), np.asarray(count), int(state["max_length"]))
        self.__class__ = HistoryBuffer


def _array(kind: type, shape: tuple, code: bytes) -> _Array:
    """numpy's _reconstruct: an empty array whose state follows."""
    return _Array((0,), np.int8)


def _scalar(dtype: _Dtype, data: bytes) -> np.generic:
    return np.frombuffer(data, dtype.value, count=1)[0]


def _nothing(owner: object, name: str) -> None:
    """For getattr, by which HistoryBuffer pickles its functions; `_History` does not want them."""


_ALLOWED: list = [
    (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_nothing, "builtins.getattr"),
    (_Dtype, "numpy.dtype"),
    (_Array, "numpy.ndarray"),
    *((_array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
