"""Video that plays everywhere: by default H.264, yuv420p, BT.709, in MP4; with the source's times and sound.

The file grows in fragments under the name NAME.part, which plays even after the process was killed. When all is written, its
packets are copied into a file with the index in front, which takes the name NAME: for that moment the disk holds the video twice.
Times are exact in .mp4, .m4v and .mov; .mkv and .webm round them to milliseconds. A picture that is shown for longer than MP4 can
say (`Container.longest`: hours; minutes where a tick is a microsecond) is written again.
"""

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from numpy.typing import ArrayLike

from queryinst_vis.outputs import check_new_file, part_of
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.base import VideoError, reason
from queryinst_vis.video.boxes import cut_incomplete_fragment
from queryinst_vis.video.checks import check_image, check_rate, check_time
from queryinst_vis.video.codecs import container_for
from queryinst_vis.video.remux import is_playable, with_index_in_front
from queryinst_vis.video.stream_file import StreamFile


def check_output(path: str | os.PathLike[str], *, overwrite: bool, codec: str = "h264") -> Path:
    """The path, when a file may be made there. UserError: it exists, its folder does not, its suffix does not suit the codec."""
    path = Path(path)
    container_for(path, codec)
    return check_new_file(path, overwrite=overwrite)


class VideoWriter:
    """Writes pictures with their times. The file appears under its name when it is complete; until then it is NAME.part.

        with VideoWriter("out.mp4", fps=25) as video:
            for image in images:  # uint8 [H, W, 3] RGB
                video.write(image)

    Pictures with an odd width or height, which yuv420p cannot hold, get their last column or row twice. On leaving a `with` block
    by an exception, and when the disk is full, what was written, if anything, stays as a playable NAME.part.
    `problems`: one line on what could not be carried over, complete once closed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo | None = None,
        *,
        fps: Fraction | float | None = None,
        audio_from: str | os.PathLike[str] | None = None,
        audio_start: Fraction | float = 0,
        codec: str = "h264",
        overwrite: bool = False,
    ) -> None:
        """info: size, rate, time base of the frames to come, as a source has it; or `fps`, with the size of the first picture.

        audio_from: the file whose sound goes along, cut to the pictures; audio_start: the second of it which is heard at time 0
        of the pictures. codec: "h264", "av1", "vp9" or "prores". UserError: there can be no such file.
        """
        self.path = check_output(path, overwrite=overwrite, codec=codec)
        self.problems: list[str] = []
        self._part = part_of(self.path)
        self._container, self._codec, self._overwrite = container_for(self.path, codec), codec, overwrite
        self._audio_from = None if audio_from is None else Path(audio_from)
        self._audio_start = Fraction(audio_start)
        self._last: int | None = None
        self._file: StreamFile | None = None
        self._closed = False
        self._fps = check_rate(fps) if info is None else None
        self._info = info
        if info is not None:
            self._file = self._open(info)

    def _open(self, info: VideoInfo) -> StreamFile:
        try:
            return StreamFile(
                self._part,
                self._container,
                info,
                codec=self._codec,
                audio_from=self._audio_from,
                audio_start=self._audio_start,
            )
        except BaseException as error:
            self.abandon()
            if isinstance(error, av.FFmpegError | OSError):
                what = f"{self._codec}, {info.width} x {info.height} pixels"
                raise VideoError(f"cannot write {self.path}: {reason(error)} ({what})") from None
            raise

    def write(self, image: ArrayLike, pts: int | None = None) -> None:
        """Add a picture. VideoError: it cannot be written, e.g. because the disk is full.

        image: uint8 [H, W, 3] RGB, always of one size. pts: its time in `info.time_base`, from 0 on, growing; by default one
        picture after the last.
        """
        if self._closed:
            raise ValueError(f"{self.path} is closed, no picture can be added")
        image = check_image(image, self._info)
        if self._info is None:
            self._info = VideoInfo(image.shape[1], image.shape[0], fps=self._fps, time_base=1 / self._fps)
        if self._file is None:
            self._file = self._open(self._info)
        if pts is None:
            pts = 0 if self._last is None else self._last + self._file.step
        check_time(pts, self._last)
        try:
            self._file.write(image, pts)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from None
        self._last = pts

    def close(self) -> None:
        """Finish the file and give it its name. VideoError: it cannot be written to its end, or the name was taken meanwhile."""
        if not self._closed:
            self._finish()
            self._give_name()

    def _finish(self) -> None:
        self._closed = True
        if self._file is None:
            return
        try:
            if self._last is not None:
                self._file.finish(self._last)
            self._file.release()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from None
        if self._file.problem:
            self.problems.append(self._file.problem)

    def _give_name(self) -> None:
        if self._file is None:
            self.problems.append(f"no picture came, so there is no {self.path.name}")
            return
        indexed = part_of(self.path.with_name(self.path.name + ".indexed"))
        try:
            if self._last is not None:
                with_index_in_front(self._part, indexed, self._container, self._info)
                os.replace(indexed, self._part)
        except (av.FFmpegError, OSError) as error:  # the fragments are complete and play, too
            indexed.unlink(missing_ok=True)
            self.problems.append(f"{self.path.name} has no index in front, so seeking in it is slow ({reason(error)})")
        if self.path.exists() and not self._overwrite:
            raise VideoError(f"{self.path} was made by another program meanwhile; the video is complete in {self._part}")
        try:
            os.replace(self._part, self.path)
        except OSError as error:
            raise VideoError(f"cannot write {self.path}: {reason(error)}; the video is complete in {self._part}") from None

    def _failure(self, error: Exception) -> VideoError:
        """Let go of everything but what plays."""
        self._release()
        text = f"cannot write {self.path}: {reason(error)}"
        if self._last is not None and self._container.has_fragments:
            with suppress(OSError):
                cut_incomplete_fragment(self._part)
        if self._last is not None and is_playable(self._part):
            return VideoError(f"{text}; what was complete is in {self._part}")
        self._remove_part()
        return VideoError(text)

    def _release(self) -> None:
        self._closed = True
        if self._file is not None:
            with suppress(av.FFmpegError, OSError):
                self._file.release()

    def abandon(self) -> None:
        """Give up: leave no file behind."""
        self._release()
        self._remove_part()

    def _remove_part(self) -> None:
        with suppress(OSError):  # none, or a folder of that name
            self._part.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *exc_info: object) -> None:
        if error_type is None:
            self.close()
        elif not self._closed and self._last is None:
            self.abandon()
        elif not self._closed:
            with suppress(VideoError):  # the first error is the one to tell
                self._finish()
