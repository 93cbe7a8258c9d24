"""Video that plays everywhere: by default H.264, yuv420p, BT.709, in MP4; with the source's times and sound.

The file grows in fragments under the name NAME.part, which plays even after the process was killed. When all is written, its
packets are copied into a file with the index in front, which takes the name NAME: for that moment the disk holds the video twice.
Times are exact in .mp4, .m4v and .mov; .mkv and .webm round them to milliseconds.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np

from queryinst_vis.outputs import check_new_file, part_of
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.audio import AudioTrack
from queryinst_vis.video.base import VideoError, reason
from queryinst_vis.video.codecs import container_for
from queryinst_vis.video.encoder import PictureEncoder
from queryinst_vis.video.remux import create, is_playable, with_index_in_front


def check_output(path: str | os.PathLike[str], *, overwrite: bool, codec: str = "h264") -> Path:
    """The path, when a file may be made there. UserError: it exists, its folder does not, its suffix does not suit the codec."""
    path = Path(path)
    container_for(path, codec)
    return check_new_file(path, overwrite=overwrite)


class VideoWriter:
    """Writes frames with their times. The file appears under its name when it is complete; until then it is NAME.part.

    Pictures with an odd width or height, which yuv420p cannot hold, get their last column or row twice. On leaving a `with` block
    by an exception, and when the disk is full, what was written, if anything, stays as a playable NAME.part.
    `problems`: one line on what could not be carried over, complete once closed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        *,
        audio_from: str | os.PathLike[str] | None = None,
        audio_start: Fraction | float = 0,
        codec: str = "h264",
        overwrite: bool = False,
    ) -> None:
        """info: size, rate, time base of the frames to come. audio_from: the file whose sound goes along, cut to the pictures.

        audio_start: the second of that file which is heard at time 0 of the pictures. codec: "h264", "av1", "vp9" or "prores".
        """
        self.path = check_output(path, overwrite=overwrite, codec=codec)
        self.problems: list[str] = []
        self._part = part_of(self.path)
        self._container = container_for(self.path, codec)
        self._info = info
        self._last: int | None = None
        self._output: av.container.OutputContainer | None = None
        self._audio: AudioTrack | None = None
        self._open(audio_from, Fraction(audio_start), codec)

    def _open(self, audio_from: str | os.PathLike[str] | None, audio_start: Fraction, codec: str) -> None:
        try:
            self._output = create(self._part, self._container, self._container.while_writing(self._info.time_base))
            self._encoder = PictureEncoder(self._output, self._info, codec)
            if audio_from is not None:
                self._audio = AudioTrack(Path(audio_from), self._output, self._container, start=audio_start)
            self._output.start_encoding()  # now rather than with the first picture: what cannot work fails before the work
        except VideoError:
            self.abandon()
            raise
        except (av.FFmpegError, OSError) as error:
            self.abandon()
            raise VideoError(f"cannot write {self.path}: {reason(error)}") from None

    def write(self, image: np.ndarray, pts: int) -> None:
        """Add a picture. image: uint8 [H, W, 3] RGB of the size in `info`; pts: its time in `info.time_base`, growing."""
        if image.shape != (self._info.height, self._info.width, 3):
            raise ValueError(f"expected a picture of {self._info.height} x {self._info.width} x 3, got {image.shape}")
        if self._last is not None and pts <= self._last:
            raise ValueError(f"times must grow: {pts} follows {self._last}")
        try:
            self._mux(self._encoder.encode(image, pts))
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from None
        self._last = pts

    def _mux(self, packets: Sequence[av.Packet]) -> None:
        for packet in packets:
            if self._audio:
                self._audio.write_until(packet.dts * packet.time_base)
            self._output.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._output is not None:
            self._finish()
            self._give_name()

    def _finish(self) -> None:
        try:
            if self._last is not None:
                self._mux(self._encoder.finish())
                if self._audio:
                    self._audio.write_until((self._last + self._encoder.step) * self._info.time_base)
            if self._audio and self._audio.problem:
                self.problems.append(self._audio.problem)
            self._release()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from None

    def _give_name(self) -> None:
        indexed = part_of(self.path.with_name(self.path.name + ".indexed"))
        try:
            if self._last is not None:
                with_index_in_front(self._part, indexed, self._container, self._info.time_base)
                os.replace(indexed, self._part)
        except (av.FFmpegError, OSError) as error:  # the fragments are complete and play, too
            indexed.unlink(missing_ok=True)
            self.problems.append(f"{self.path.name} has no index in front, so seeking in it is slow ({reason(error)})")
        os.replace(self._part, self.path)

    def _failure(self, error: Exception) -> VideoError:
        """Let go of everything but what plays."""
        with suppress(av.FFmpegError, OSError):
            self._release()
        text = f"cannot write {self.path}: {reason(error)}"
        if self._last is not None and is_playable(self._part):
            return VideoError(f"{text}; what was complete is in {self._part}")
        self._part.unlink(missing_ok=True)
        return VideoError(text)

    def _release(self) -> None:
        output, self._output = self._output, None
        if self._audio:
            self._audio.close()
        if output is not None:
            output.close()

    def abandon(self) -> None:
        """Give up: leave no file behind."""
        with suppress(av.FFmpegError, OSError):
            self._release()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *exc_info: object) -> None:
        if error_type is None:
            self.close()
        elif self._output is not None:
            self._finish() if self._last is not None else self.abandon()
