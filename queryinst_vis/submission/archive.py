"""The zip of a submission: finding the file with the results in one, whatever else is wrong with it."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from queryinst_vis.submission.report import Problem, Report, some

_USUAL = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what every unpacker knows
_WORTH_PACKING = 10_000_000  # bytes
_ENCRYPTED = 1  # bit of a member's flags
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError)  # bz2 raises an OSError


@contextmanager
def open_results(path: Path, report: Report, name: str) -> Iterator[BinaryIO | None]:
    """The stream of the file called `name` in a zip, or of the one that was most likely meant by it; None when there is none.

    What is wrong with the zip goes into `report`; damage that is met while the stream is read ends the `with` block. OSError when
    the file cannot be read at all.
    """
    report.facts["bytes"] = path.stat().st_size
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            yield _unzipped(file, report, name)
            return
        stream = None
        with _damage_told(report):
            stream = _member(zipfile.ZipFile(file), report, name)
        with _damage_told(report), closing(stream or BytesIO()):
            yield stream


@contextmanager
def _damage_told(report: Report) -> Iterator[None]:
    """Errors of a damaged zip go into the report."""
    try:
        yield
    except _DAMAGE as error:
        if getattr(error, "errno", None) is not None:
            raise  # the disk's fault
        report.add(Problem("damaged_zip", str(error) or type(error).__name__))


def _member(archive: zipfile.ZipFile, report: Report, name: str) -> BinaryIO | None:
    """What to check in a zip, opened."""
    info = _choose([info for info in archive.infolist() if info.filename], report, name)  # zipfile fails on a name of no letters
    if info is None:
        return None
    report.facts["unpacked_bytes"] = info.file_size
    _look_at_compression(info, report, name)
    if info.flag_bits & _ENCRYPTED:
        report.add(Problem("damaged_zip", f"{info.filename} is encrypted"))
        return None
    return archive.open(info)  # type: ignore[return-value]


def _unzipped(file: BinaryIO, report: Report, name: str) -> BinaryIO | None:
    """A file that is no zip; worth reading all the same when it is JSON."""
    file.seek(0)
    first = file.read(64)
    file.seek(0)
    if not first:
        report.add(Problem("not_a_zip", "the file is empty"))
    elif first.startswith(b"PK"):
        report.add(Problem("damaged_zip", "its table of contents, which stands at the end, is missing: it was cut off"))
    elif first.lstrip()[:1] in (b"[", b"{"):
        report.add(Problem("not_a_zip", f"a server takes a zip with {name} in it: zip submission.zip {name}"))
        return file
    else:
        report.add(Problem("not_a_zip", "it is something else"))
    return None


def _choose(infos: list[zipfile.ZipInfo], report: Report, name: str) -> zipfile.ZipInfo | None:
    """The member to check."""
    files = [info for info in infos if not info.is_dir()]
    exact = [info for info in files if info.filename == name]
    chosen = exact[-1] if exact else _likeliest(files, name)
    if not exact:
        report.add(Problem("no_results", _remedy(chosen, name)))
    others = [info.filename for info in infos if info is not chosen and not _is_folder_of(info, chosen)]
    if others:
        report.add(Problem("other_files", some(others)))
    return chosen


def _likeliest(files: list[zipfile.ZipInfo], name: str) -> zipfile.ZipInfo | None:
    """One of that name in a folder, else the only JSON file."""
    own = [info for info in files if not info.filename.startswith("__MACOSX/")]
    named = [info for info in own if _path(info).name == name]
    any_json = [info for info in own if info.filename.lower().endswith(".json")]
    return named[0] if named else any_json[0] if len(any_json) == 1 else None


def _remedy(chosen: zipfile.ZipInfo | None, name: str) -> str:
    if chosen is None:
        return "no file in it is called so"
    path = _path(chosen)
    if path.name == name:
        return f"it lies in the folder {path.parent}; zip the file alone: zip -j submission.zip {path}"
    return f"there is {chosen.filename}, which must be called {name}"


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    """Some programs for Windows write its separators."""
    return PurePosixPath(info.filename.replace("\\", "/"))


def _is_folder_of(info: zipfile.ZipInfo, chosen: zipfile.ZipInfo | None) -> bool:
    """The folder around a results.json that is reported already."""
    return info.is_dir() and chosen is not None and chosen.filename.startswith(info.filename)


def _look_at_compression(info: zipfile.ZipInfo, report: Report, name: str) -> None:
    if info.compress_type not in _USUAL:
        method = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "lzma"}.get(info.compress_type, f"method {info.compress_type}")
        report.add(Problem("compression", f"{name} is packed by {method}; every server can unpack deflate"))
    elif info.compress_type == zipfile.ZIP_STORED and info.file_size > _WORTH_PACKING:
        report.add(Problem("compression", f"{name} is not packed: {info.file_size / 1e6:.0f} MB to send"))
