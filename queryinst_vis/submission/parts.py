"""The finished videos of a submission, in a folder beside it, which several processes fill and the last one turns into the zip.

OUTPUT.parts/ holds ID.json of each finished video, made_by.json (what they were made from), and `claims` (who works on what).
The zip carries the same as a comment, so that the same command knows a submission that is complete.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from queryinst_vis.errors import UserError
from queryinst_vis.submission.claims import Claims

_FOLDER = 0  # the claim on setting the folder up and on ending it; videos follow
_MADE_BY = "made_by.json"


class Parts:
    """Entries of finished videos, by their position in `video_ids`. A context manager; one for a folder in a process.

    output: the zip to be. made_by: what decides the entries (weights, settings, videos), each as a short text. On entering
    UserError, when the folder holds videos made by something else. When the zip is complete on leaving, their folder goes.
    """

    def __init__(self, output: Path, *, made_by: Mapping[str, str], video_ids: Sequence[int]) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".parts")
        self.video_ids = list(video_ids)
        self._made_by = dict(made_by)
        self._claims: Claims | None = None

    @property
    def comment(self) -> bytes:
        """What a zip made of these parts carries."""
        text = json.dumps(self._made_by, sort_keys=True)
        return f"queryinst-vis {hashlib.sha256(text.encode()).hexdigest()[:32]}".encode()

    @property
    def is_complete(self) -> bool:
        """Whether the zip is there, made by the same."""
        try:
            with zipfile.ZipFile(self.output) as archive:
                return archive.comment == self.comment
        except (OSError, zipfile.BadZipFile):
            return False

    @property
    def num_done(self) -> int:
        return sum(map(self.has, range(len(self.video_ids))))

    @property
    def kept(self) -> str:
        """For people: how far it is."""
        return f"{self.num_done} of {len(self.video_ids)} videos are done and kept, the same command goes on from there"

    @property
    def num_bytes(self) -> int:
        """Of all entries."""
        return sum(self._path(index).stat().st_size for index in range(len(self.video_ids)))

    def has(self, index: int) -> bool:
        """Whether the video's entries are there."""
        return self._path(index).exists()

    def claim(self, index: int) -> bool:
        """Whether the video is ours to do: no other process is at it, and it is not done."""
        if self._claims is None or not self._claims.take(index + 1):
            return False
        if self.has(index) or self.is_complete:  # another process had it, and gave it back a moment ago
            self.release(index)
            return False
        return True

    def release(self, index: int) -> None:
        if self._claims is not None:
            self._claims.give_back(index + 1)

    @contextmanager
    def ending(self) -> Iterator[bool]:
        """Inside, whether it is on us to write the zip: all videos are done and it is not there. One process at a time.

        Whoever does the last video gets a True, as he comes here after all others' videos are done.
        """
        if self._claims is None:
            yield False
            return
        with self._claims.held(_FOLDER):
            yield not self.is_complete and self.num_done == len(self.video_ids)

    def write(self, index: int, entries: list[dict[str, Any]]) -> None:
        """Keep the entries of a video; they appear whole or not at all. UserError: another run took over the folder."""
        if self._others():
            raise UserError(f"{self.folder} is in use by another run now")
        _write_whole(self._path(index), json.dumps(entries, allow_nan=False))

    def read(self, index: int) -> list[dict[str, Any]]:
        """UserError: the file was damaged since."""
        path = self._path(index)
        try:
            entries = json.loads(path.read_bytes())
        except ValueError as error:
            raise UserError(f"{path} is damaged ({error}); delete it, and the same command makes it again") from None
        return entries

    def _path(self, index: int) -> Path:
        return self.folder / f"{self.video_ids[index]}.json"

    def __enter__(self) -> Self:
        while not self.is_complete and self._claims is None:
            self.folder.mkdir(exist_ok=True)
            try:
                self._claims = Claims(self.folder / "claims")
            except FileNotFoundError:
                continue  # another process ended the work in between
        if self._claims is not None:
            try:
                with self._claims.held(_FOLDER):
                    if not self.is_complete:
                        self._set_up(self._claims)
            except BaseException:
                self._claims.close()
                raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._claims is not None:
            self._claims.close()
        if self.is_complete and (not self._others() or not any(self.folder.glob("*.json"))):
            with suppress(FileNotFoundError):  # others remove it too
                self._remove()

    def _remove(self) -> None:
        """Delete the folder, last of all what says whose videos they are: a kill in between must not leave some of nobody."""
        for path in self.folder.iterdir():
            if path.name != _MADE_BY:
                path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _set_up(self, claims: Claims) -> None:
        """Say what the folder is of, unless somebody else did."""
        others = self._others()
        if not others:
            return
        if self._is_used(claims):
            raise UserError(
                f"{self.folder} holds videos of another run (other {' and '.join(others)}); "
                "delete that folder to start anew, or name another output"
            )
        _write_whole(self.folder / _MADE_BY, json.dumps(self._made_by))

    def _others(self) -> list[str]:
        """In what the folder's videos were made otherwise than ours; in everything, when nothing says how they were."""
        try:
            before = dict(json.loads((self.folder / _MADE_BY).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            before = {}
        return [name for name in self._made_by if before.get(name) != self._made_by[name]]

    def _is_used(self, claims: Claims) -> bool:
        """Whether a video is done, or a process at one."""
        return any(path.name != _MADE_BY for path in self.folder.glob("*.json")) or not claims.are_free(first=_FOLDER + 1)


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # without it, the name may survive a power cut and the text not
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
