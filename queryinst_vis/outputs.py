"""Files that appear under their name when they are complete, and never replace another one unasked."""

import os
from pathlib import Path

from queryinst_vis.errors import UserError


def part_of(path: Path) -> Path:
    """Where a file is written before it is complete: NAME.part beside it."""
    return path.with_name(path.name + ".part")


def check_new_file(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The path, when a file may be made there. UserError: something is there already, or its folder is missing or read-only."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a directory; name a file in it")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; --overwrite replaces it")
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder} to write {path.name} to")
    if not os.access(folder, os.W_OK):
        raise UserError(f"no permission to write to the folder {folder}")
    return path
