"""The folder from which a job that was stopped or killed goes on: OUTPUT.resume, beside its first output.

It holds what the job is (job.json), the complete parts of the annotated video (parts/), and for each of them the state of all
that later frames depend on: NUMBER.state, when NUMBER parts are complete. The last two are kept. Reading them runs no code.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Self

import torch

from queryinst_vis import __version__
from queryinst_vis.errors import UserError
from queryinst_vis.jobs.identity import differences
from queryinst_vis.outputs import check_folder, part_of, write_whole
from queryinst_vis.safe_load import CheckpointError, safe_load
from queryinst_vis.submission.claims import Claims

_JOB, _FINISHING, _IN_USE = "job.json", "finishing", "in_use"
_KEPT = 2


class Checkpoints:
    """States of a job, each complete or not there. One such object for a folder in a process."""

    def __init__(self, folder: Path, identity: dict[str, Any], *, overwrite: bool = False) -> None:
        """Opens or makes the folder. UserError: another process is at work in it, or it belongs to another job; with `overwrite`
        that job's states go."""
        self.folder = check_folder(folder)
        self.parts = folder / "parts"
        self._identity = identity | {"version": __version__}
        self._claims: Claims | None = None
        self.is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        claims = Claims(folder / _IN_USE)
        try:
            if not claims.take(0):
                raise UserError(f"another process is at work on {folder}")
            self._check_job(overwrite=overwrite)
        except BaseException:
            claims.close()
            raise
        self._claims = claims

    def _check_job(self, *, overwrite: bool) -> None:
        path = self.folder / _JOB
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if {item.name for item in self.folder.iterdir()} - {_IN_USE, part_of(path).name}:
                raise UserError(f"{self.folder} holds other things; move it away") from None
            write_whole({path: json.dumps(self._identity)})
            return
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}); remove {self.folder} to start anew") from None
        if known != self._identity and overwrite:
            self.clear()
            write_whole({path: json.dumps(self._identity)})
        elif known != self._identity:
            other = differences(known, self._identity) or ["version of this program"]
            raise UserError(f"{self.folder} belongs to another job (other {', '.join(other)}); remove it to start anew")

    @property
    def is_finishing(self) -> bool:
        """Whether all frames were done and the outputs were about to get their names."""
        return (self.folder / _FINISHING).exists()

    def finishing(self) -> None:
        """All frames are done: what stands under the outputs' names from now on is of this job."""
        (self.folder / _FINISHING).touch()

    def numbers(self) -> list[int]:
        """Of the states that are there, in order."""
        return sorted(int(path.stem) for path in self.folder.glob("*.state") if path.stem.isdecimal())

    def load(self, number: int) -> dict[str, Any] | None:
        """A state; None when it is damaged."""
        try:
            return safe_load(self._path(number))
        except CheckpointError:
            return None

    def save(self, number: int, state: dict[str, Any]) -> None:
        """Keep the state after `number` parts. UserError: the disk is full."""
        path = self._path(number)
        try:
            with part_of(path).open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part_of(path), path)
        except (OSError, RuntimeError) as error:
            part_of(path).unlink(missing_ok=True)
            raise UserError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
        for old in self.numbers():
            if old <= number - _KEPT:
                self._path(old).unlink(missing_ok=True)

    def clear(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.parts, ignore_errors=True)
        for number in self.numbers():
            self._path(number).unlink()
        (self.folder / _FINISHING).unlink(missing_ok=True)

    def remove(self) -> None:
        """The job is complete: delete the folder, last of all what says whose it is."""
        self.clear()
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the folder."""
        if self._claims is not None:
            self._claims.close()
            self._claims = None

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.state"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
