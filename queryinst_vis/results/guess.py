"""Which kind of result a file is, by its name and what it begins with."""

from pathlib import Path

from queryinst_vis.data.json_tables import DatasetError, read_json
from queryinst_vis.errors import UserError

_BEGIN = 4096  # bytes that are looked at
_DOCUMENTS = {"tracks": "json", "images": "coco"}  # by a key that only they have
BY_SUFFIX = {".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".txt": "mots"}  # of what is to be written


def guess_kind(path: Path) -> str:
    """One of KINDS, or "spool". UserError: it cannot be told."""
    if path.is_dir():
        return "png"
    if not path.exists():
        raise UserError(f"there is no file {path}")
    begin = _beginning(path)
    if begin.startswith("SQLite format 3"):
        return "spool"
    first, _, _ = begin.partition("\n")
    if first.startswith(('{"type":', '{"type" :')):
        return "jsonl"
    if first.lstrip("\ufeff \t").startswith(("{", "[")) or path.suffix == ".json":
        return _document(path)
    fields = first.strip().split(",")
    if "frame" in fields and "id" in fields:
        return "csv"
    if len(fields) >= 7:
        return "mot"
    if len(first.split()) == 6 or path.suffix == ".txt":
        return "mots"
    raise UserError(f"{path}: cannot tell what kind of result it is; --from KIND says it")


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_BEGIN).decode("utf-8", errors="replace")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None


def _document(path: Path) -> str:
    content = read_json(path)
    if isinstance(content, list):
        return "ytvis"
    for key, kind in _DOCUMENTS.items():
        if isinstance(content, dict) and key in content:
            return kind
    raise UserError(f"{path}: is no result: it has neither {', nor '.join(_DOCUMENTS)}")
