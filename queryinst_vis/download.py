"""Files from the web into a cache: resumed where a transfer broke off, kept only when their SHA-256 is right."""

import contextlib
import hashlib
import http.client
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from queryinst_vis.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: two downloads at once may spoil each other, which the hash finds out
    fcntl = None  # type: ignore[assignment]

_ATTEMPTS = 3
_BLOCK_BYTES = 1 << 18
_TIMEOUT_SECONDS = 30


class DownloadError(UserError):
    """A file that could not be fetched, or is not the file that was meant."""


class _BrokenOffError(Exception):
    """The connection ended before the file did; what came is on disk."""


def cache_folder() -> Path:
    """$QUERYINST_VIS_HOME, else queryinst_vis in $XDG_CACHE_HOME, else in ~/.cache."""
    if home := os.environ.get("QUERYINST_VIS_HOME"):
        return Path(home).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "queryinst_vis"


def download(url: str, folder: Path | None = None) -> Path:
    """The file of `url` in `folder` (default: the cache), fetched if it is not there yet.

    The name ends in `-HASH.ext`, HASH being the first hexadecimal digits of the SHA-256. Several processes may ask for the same
    file at once: one fetches it, the others wait. Raises DownloadError when offline, when the server has no such file, when the
    hash is wrong, or when the transfer keeps breaking off (what came is kept for the next time).
    """
    target = (cache_folder() if folder is None else folder) / url.rpartition("/")[2]
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f"{target.name}.lock")):
            if not target.exists():
                _fetch_verified(url, target)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise DownloadError(f"cannot download {url}: {_reason(error)}") from error
    except OSError as error:
        raise DownloadError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _fetch_verified(url: str, target: Path) -> None:
    """Fetch and verify. A wrong hash may be the fault of an old beginning that was resumed: then once more from the start."""
    part = target.with_name(f"{target.name}.part")
    was_resumed = part.exists()
    _fetch(url, part)
    if was_resumed and not _has_right_hash(part, url):
        part.unlink()
        _fetch(url, part)
    if not _has_right_hash(part, url):
        part.unlink()
        raise DownloadError(f"{url}: the file that came has another SHA-256 than its name says; removed it, try again later")
    part.replace(target)


def _fetch(url: str, part: Path) -> None:
    for _ in range(_ATTEMPTS):
        try:
            return _fetch_rest(url, part)
        except _BrokenOffError as error:
            broken_off = error
    raise DownloadError(f"cannot download {url}: {broken_off}; run again to go on from there")


def _fetch_rest(url: str, part: Path) -> None:
    """One transfer, appended to what `part` holds already if the server agrees."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing comes after what is there: it is whole, or the hash will tell
        raise
    with response:
        start = _start_of(response, start)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with part.open("ab" if start else "wb") as file:
            received = start + _copy(response, file, start=start, total=total, label=part.stem)
    if total is not None and received < total:
        raise _BrokenOffError(f"the transfer broke off at {received} of {total} bytes")


def _start_of(response: http.client.HTTPResponse, wanted: int) -> int:
    """Byte at which the body begins: `wanted` if the server resumes there, else 0."""
    begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    is_resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT and begins and int(begins[1]) == wanted
    return wanted if is_resumed else 0


def _copy(response: http.client.HTTPResponse, file: BinaryIO, *, start: int, total: int | None, label: str) -> int:
    """Copy the body with a progress bar on stderr; returns the bytes copied, fewer than promised if the connection breaks."""
    copied = 0
    with _progress_bar() as bar:
        task = bar.add_task(label, total=total, completed=start)
        with contextlib.suppress(http.client.IncompleteRead, ConnectionError, TimeoutError, ssl.SSLError):
            while block := response.read(_BLOCK_BYTES):
                file.write(block)
                copied += len(block)
                bar.update(task, completed=start + copied)
    return copied


def _progress_bar() -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _has_right_hash(file: Path, url: str) -> bool:
    digits = re.search(r"-([0-9a-f]{8,64})\.\w+$", url)
    if digits is None:
        raise ValueError(f"{url} does not end in the digits of its SHA-256")
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(digits[1])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time; the lock ends with the process, whatever happens to it."""
    with path.open("a") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return f"no connection ({cause or type(cause).__name__})"
