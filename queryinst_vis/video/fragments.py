"""A long video as numbered complete parts in a folder, so that a job that was stopped or killed goes on where it was.

A part is a file NUMBER_TIME.mp4 (.mov for ProRes) whose times count from TIME, that of its first picture in ticks of the source.
Each begins with a keyframe of its own, so `join` makes one video from them without encoding; the sound is added there.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from numpy.typing import ArrayLike

from queryinst_vis.outputs import check_folder, part_of, write_whole
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.base import VideoError, reason
from queryinst_vis.video.checks import check_time
from queryinst_vis.video.codecs import container_for
from queryinst_vis.video.encoder import ticks_per_frame
from queryinst_vis.video.join import begin_of_part, join_parts, last_time, num_pictures
from queryinst_vis.video.writer import VideoWriter

_ABOUT = "video.json"


class SegmentedVideo:
    """Writes a video in parts of some seconds, and goes on behind those that are in the folder already.

    `segments` are the complete parts in order, `num_frames` the pictures in them and in the one that is being written, `last_pts`
    the time of the last picture, None before.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        info: VideoInfo,
        *,
        seconds: Fraction | float,
        codec: str = "h264",
        before_complete: Callable[[Path], None] | None = None,
    ) -> None:
        """Opens or makes the folder. UserError: it belongs to another video, or parts of it are missing or cannot be read.

        seconds: how long a part is at least. before_complete: called with the path that a part is about to get, after its last
        picture: what it saves exists for every complete part.
        """
        self.folder = check_folder(Path(folder))
        self._info, self._codec, self._seconds = info, codec, Fraction(seconds).limit_denominator(10**6)
        self._before_complete = before_complete
        self._suffix = ".mov" if codec == "prores" else ".mp4"
        self._writer: VideoWriter | None = None
        self._begin = 0
        container_for(Path(f"0{self._suffix}"), codec)
        self._claim_folder()
        self.segments = self._complete_parts()
        self._count()

    def _claim_folder(self) -> None:
        path = self.folder / _ABOUT
        about = self._about()
        try:
            self.folder.mkdir(exist_ok=True)
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
            others = [other for other in self.folder.iterdir() if other != part_of(path)]  # which a kill at the very start leaves
            if known is None and not others:
                write_whole({path: json.dumps(about)})
            for left_over in self.folder.glob(f"*{self._suffix}*.part"):
                left_over.unlink()
        except (OSError, ValueError) as error:
            raise VideoError(f"cannot use the folder {self.folder}: {reason(error)}") from None
        if known is None and others:
            raise VideoError(f"{self.folder} holds other things; name a new folder")
        if known not in (None, about):
            raise VideoError(f"{self.folder} belongs to another video ({known}, now {about}); remove it to start anew")

    def _about(self) -> dict[str, str]:
        info = self._info
        return {
            "size": f"{info.width} x {info.height}",
            "pixels": str(info.sample_aspect_ratio),
            "time_base": str(info.time_base),
            "fps": str(info.fps),
            "codec": self._codec,
        }

    def _complete_parts(self) -> list[Path]:
        named = re.compile(rf"(\d{{6,}})_\d+{re.escape(self._suffix)}")
        numbers = {int(match[1]): path for path in self.folder.iterdir() if (match := named.fullmatch(path.name))}
        missing = next((number for number in range(len(numbers)) if number not in numbers), None)
        if missing is not None:
            raise VideoError(f"part {missing} is missing in {self.folder}; remove the folder to start anew")
        return [numbers[number] for number in sorted(numbers)]

    def _count(self) -> None:
        """How many pictures are in the complete parts, and the time of the last one."""
        self.num_frames, self.last_pts = 0, None
        for part in self.segments:
            try:
                self.num_frames += num_pictures(part)
                if part == self.segments[-1]:
                    self.last_pts = begin_of_part(part) + round(last_time(part) / self._info.time_base)
            except (av.FFmpegError, OSError, IndexError, ValueError) as error:
                text = f"part {part} cannot be read ({reason(error)}); remove it and all parts behind it to go on from there"
                raise VideoError(text) from None

    def keep(self, number: int) -> None:
        """Forget all but the first `number` parts, e.g. those whose state cannot be read. Not while a part is written."""
        assert self._writer is None, "a part is being written"
        for path in reversed(self.segments[number:]):
            path.unlink()
        self.segments = self.segments[:number]
        self._count()

    def write(self, image: ArrayLike, pts: int) -> None:
        """Add a picture, as `VideoWriter.write`, with times of the whole video."""
        check_time(pts, self.last_pts)
        if self._writer is None:
            self._begin = pts
            path = self.folder / f"{len(self.segments):06d}_{pts}{self._suffix}"
            self._writer = VideoWriter(path, self._info, codec=self._codec)
        self._writer.write(image, pts - self._begin)
        self.num_frames, self.last_pts = self.num_frames + 1, pts
        if (pts - self._begin + ticks_per_frame(self._info)) * self._info.time_base >= self._seconds:
            self.close()

    def close(self) -> None:
        """Complete the part that is being written, however short. More pictures begin another."""
        if self._writer is not None:
            if self._before_complete:
                self._before_complete(self._writer.path)
            writer, self._writer = self._writer, None
            writer.close()
            self.segments.append(writer.path)

    def join(
        self,
        path: str | os.PathLike[str],
        *,
        audio_from: str | os.PathLike[str] | None = None,
        audio_start: Fraction | float = 0,
        overwrite: bool = False,
    ) -> list[str]:
        """One file from all complete parts: pictures, times and sound as `VideoWriter` would have written them in one go.

        Returns what could not be carried over, a line each. UserError: nothing to join, or the file cannot be written; the parts
        stay in either case, until `remove`.
        """
        if not self.segments:
            raise VideoError(f"there is no complete part in {self.folder} to make {path} from")
        return join_parts(
            self.segments,
            Path(path),
            self._info,
            codec=self._codec,
            audio_from=None if audio_from is None else Path(audio_from),
            audio_start=Fraction(audio_start),
            overwrite=overwrite,
        )

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *exc_info: object) -> None:
        if error_type is None:
            self.close()
        elif self._writer is not None:  # stays as .part, to be looked at; when the job goes on, it is done again
            self._writer.__exit__(error_type, *exc_info)
            self._writer = None
