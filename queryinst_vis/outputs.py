"""Files and folders that appear under their name when they are complete, and never replace another one unasked."""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from queryinst_vis.errors import UserError


class ClosedOrKept(ABC):
    """An output that grows within a `with` block: closed at its end, kept as far as it goes when an error ends it."""

    @abstractmethod
    def close(self) -> None:
        """It is complete and gets its name."""

    @abstractmethod
    def keep(self) -> None:
        """Instead of `close` after an error: what is complete stays, under another name."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *exc_info: object) -> None:
        if error_type is None:
            self.close()
        else:
            self.keep()


def part_of(path: Path) -> Path:
    """Where a file is written before it is complete: NAME.part beside it."""
    return path.with_name(path.name + ".part")


def check_new_file(path: str | os.PathLike[str], *, overwrite: bool, inputs: Sequence[Path] = ()) -> Path:
    """The path, when a file may be made there.

    UserError: something is there already, its folder is missing or read-only, or it is one of `inputs`, overwrite or not.
    """
    path = Path(path)
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise UserError(f"{path} is an input; name another output")
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


def check_folder(path: Path) -> Path:
    """The path, when it is a folder or nothing yet. UserError: it is a file."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, expected a folder")
    return path


def write_whole(texts: Mapping[Path, str]) -> None:
    """Write text files, UTF-8, that get their names when all of them are complete."""
    try:
        for path, text in texts.items():
            part_of(path).write_text(text, encoding="utf-8")
        for path in texts:
            os.replace(part_of(path), path)
    finally:
        for path in texts:
            part_of(path).unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | os.PathLike[str], *, overwrite: bool, known_by: str) -> Iterator[Path]:
    """A folder NAME.part to fill, which gets its name when the block is left without an error and is removed otherwise.

    An existing folder is replaced only with `overwrite`, and only when it is empty or holds a file named `known_by`, as
    those made by the same command do. UserError: it may not be replaced, or its parent is missing or read-only.
    """
    path = Path(os.path.normpath(path))
    check_new_folder(path, overwrite=overwrite, known_by=known_by)
    part, old = part_of(path), path.with_name(path.name + ".old")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir()
    try:
        yield part
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_new_folder(path: Path, *, overwrite: bool, known_by: str) -> None:
    """UserError: `new_folder` may not make it."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is no folder")
    if path.is_symlink():
        raise UserError(f"{path} is a link; name the folder itself")
    if path.is_dir() and any(path.iterdir()):
        if not (path / known_by).is_file():
            raise UserError(f"{path} holds other things; name a new folder")
        if not overwrite:
            raise UserError(f"{path} exists; --overwrite replaces it")
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent} to make {path.name} in")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"no permission to write to the folder {path.parent}")
