"""What decides the outcome of a job, as plain values: whether a result still stands, and whether a stopped job can go on."""

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queryinst_vis.jobs.job import Job

_SETTINGS = ("start", "end", "stride", "max_frames", "fps", "region", "classes", "tracker")


def identity_of(job: "Job") -> dict[str, Any]:
    """For JSON: the source with its size and time of change, the settings, and what `job.model` says of the model."""
    settings = {name: getattr(job, name) for name in _SETTINGS}
    outputs = {
        "codec": job.codec if job.video else None,
        "results": sorted(kind for kind, _ in job.results),
        "events": job.events,
    }
    plain = {name: _plain(value) for name, value in (settings | outputs).items()}
    return {"source": _source(job.source), "settings": plain, "model": {k: _plain(v) for k, v in job.model.items()}}


def file_facts(path: str | os.PathLike[str]) -> list[Any]:
    """Name, bytes and time of change of a file, for `Job.model`."""
    return [os.path.abspath(path), *_sums([Path(path)])]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what two identities differ, in words: the names of settings, "source", "model"."""
    names = [name for name in ("source", "model") if before.get(name) != now[name]]
    settings = before.get("settings", {})
    return names + [name for name, value in now["settings"].items() if settings.get(name) != value]


def can_be_identified(source: Any) -> bool:
    """Whether it is made of files: what else gives other frames each time cannot be told."""
    if isinstance(source, list | tuple):
        return all(map(can_be_identified, source))
    return isinstance(source, str | os.PathLike) and bool(_files(source))


def _source(source: Any) -> list[Any]:
    if isinstance(source, list | tuple):
        return [_source(each) for each in source]
    if not can_be_identified(source):
        return [type(source).__name__]
    return [os.path.abspath(source), *_sums(_files(source))]


def _files(source: str | os.PathLike[str]) -> list[Path]:
    """Of a path or a glob."""
    path = Path(source)
    if path.is_dir():
        return [child for child in path.iterdir() if child.is_file()]
    return [path] if path.exists() else [Path(name) for name in glob.glob(os.fspath(source), recursive=True)]


def _sums(paths: Iterable[Path]) -> tuple[int, int]:
    facts = [path.stat() for path in paths]
    return sum(fact.st_size for fact in facts), max((fact.st_mtime_ns for fact in facts), default=0)


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
