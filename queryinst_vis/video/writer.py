"""Video that plays everywhere: H.264 (libx264), yuv420p, BT.709, MP4 with its index in front; the source's times and sound."""

import os
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

_CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}  # those that keep times exactly
_BT709, _LIMITED_RANGE = 1, 1
_QUALITY = {"crf": "20", "preset": "veryfast"}


def check_output(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The path, when a file may be made there. UserError: it exists, its folder does not, or it is no .mp4, .m4v or .mov."""
    path = Path(path)
    if path.suffix.lower() not in _CONTAINERS:
        raise VideoError(f"cannot write {path}: the name of a video must end in {', '.join(_CONTAINERS)}")
    return check_new_file(path, overwrite=overwrite)


class VideoWriter:
    """Writes frames with their times. The file appears under its name when it is complete; until then it is NAME.part.

    Pictures with an odd width or height, which yuv420p cannot hold, get their last column or row twice. On leaving a `with` block
    by an exception, what was written, if anything, stays as a playable NAME.part.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        *,
        audio_from: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> None:
        """info: size, rate, time base of the frames to come. audio_from: the file whose sound goes along, cut to the pictures."""
        self.path = check_output(path, overwrite=overwrite)
        self.problems: list[str] = []
        self._part = part_of(self.path)
        self._info = info
        self._step = max(round(1 / (info.time_base * (info.fps or 25))), 1)
        self._end = Fraction(0)
        self._output: av.container.OutputContainer | None = None
        self._audio: AudioTrack | None = None
        self._open(audio_from)

    def _open(self, audio_from: str | os.PathLike[str] | None) -> None:
        try:
            self._output = av.open(
                f"file:{self._part.absolute()}",
                "w",
                format=_CONTAINERS[self.path.suffix.lower()],
                container_options={"movflags": "+faststart", "movie_timescale": str(self._info.time_base.denominator)},
            )
            self._stream = self._add_video_stream()
            if audio_from is not None:
                self._audio = AudioTrack(Path(audio_from), self._output)
            self._output.start_encoding()  # now rather than with the first picture: what cannot work fails before the work
        except VideoError:
            self.abandon()
            raise
        except (av.FFmpegError, OSError) as error:
            self.abandon()
            raise VideoError(f"cannot write {self.path}: {reason(error)}") from None

    def _add_video_stream(self) -> "av.video.stream.VideoStream":
        info = self._info
        stream = self._output.add_stream("libx264", rate=info.fps or 25, options=_QUALITY)
        stream.width, stream.height = info.width + info.width % 2, info.height + info.height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = info.time_base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    def write(self, image: np.ndarray, pts: int) -> None:
        """Add a picture. image: uint8 [H, W, 3] RGB of the size in `info`; pts: its time in `info.time_base`, growing."""
        if image.shape != (self._info.height, self._info.width, 3):
            raise ValueError(f"expected a picture of {self._info.height} x {self._info.width} x 3, got {image.shape}")
        try:
            if self._audio:
                self._audio.write_until(pts * self._info.time_base)
            self._output.mux(self._stream.encode(self._to_yuv(image, pts)))
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"cannot write {self.path}: {reason(error)}") from None
        self._end = (pts + self._step) * self._info.time_base

    def _to_yuv(self, image: np.ndarray, pts: int) -> av.VideoFrame:
        pad = ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0))
        if any(after for _, after in pad):
            image = np.pad(image, pad, mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)
        frame.pts, frame.time_base, frame.duration = pts, self._info.time_base, self._step
        return frame

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._output is not None:
            self._finish()
            os.replace(self._part, self.path)

    def _finish(self) -> None:
        try:
            if self._audio:
                self._audio.write_until(self._end)
                self.problems += [self._audio.problem] if self._audio.problem else []
            self._output.mux(self._stream.encode(None))
            self._release()
        except (av.FFmpegError, OSError) as error:
            self.abandon()
            raise VideoError(f"cannot write {self.path}: {reason(error)}") from None

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
            self._finish() if self._end else self.abandon()
