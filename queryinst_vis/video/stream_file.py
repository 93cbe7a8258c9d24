"""One growing media file: pictures encoded as they come, and sound beside them, interleaved by time."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.audio import AudioTrack
from queryinst_vis.video.codecs import Container
from queryinst_vis.video.encoder import PictureEncoder
from queryinst_vis.video.remux import Spans, create


class StreamFile:
    """A file that plays while it grows. Every method may raise FFmpegError and OSError, e.g. when the disk is full."""

    def __init__(
        self, path: Path, container: Container, info: VideoInfo, *, codec: str, audio_from: Path | None, audio_start: Fraction
    ) -> None:
        """VideoError: the sound cannot be opened. What cannot work at all fails here rather than with the first picture."""
        self._time_base = info.time_base
        self._longest = container.longest(info.time_base)
        self._last: int | None = None
        self._audio: AudioTrack | None = None
        self._output: av.container.OutputContainer | None = None
        self._output = create(path, container, container.while_writing(info.time_base))
        try:
            self._encoder = PictureEncoder(self._output, info, codec)
            self.step = self._encoder.step
            self._spans = Spans(self.step) if container.has_fragments else None
            if audio_from is not None:
                self._audio = AudioTrack(audio_from, self._output, container, start=audio_start)
            self._output.start_encoding()
        except BaseException:
            self.release()
            raise

    @property
    def problem(self) -> str | None:
        """One line on the sound that was lost."""
        return self._audio.problem if self._audio else None

    def write(self, image: np.ndarray, pts: int) -> None:
        """Add a picture. image: uint8 [H, W, 3] RGB."""
        while self._longest and self._last is not None and pts - self._last > self._longest:
            self._last += self._longest
            self._mux(self._spanned(self._encoder.again(self._last)))
        self._mux(self._spanned(self._encoder.encode(image, pts)))
        self._last = pts

    def finish(self, last: int) -> None:
        """Write all that was held back, and sound to the end of the last picture, which has the time `last`."""
        self._mux(self._spanned(self._encoder.finish()))
        if self._spans:
            self._mux(self._spans.last())
        if self._audio:
            self._audio.write_until((last + self.step) * self._time_base)
        self.release()

    def _spanned(self, packets: Sequence[av.Packet]) -> Iterator[av.Packet]:
        return self._spans.until(packets) if self._spans else iter(packets)

    def _mux(self, packets: Iterator[av.Packet]) -> None:
        for packet in packets:
            if self._audio:
                self._audio.write_until(packet.dts * packet.time_base)
            self._output.mux(packet)

    def release(self) -> None:
        """Close the file, however far it is. May be called again."""
        output, self._output = self._output, None
        try:
            if self._audio:
                self._audio.close()
        finally:
            if output is not None:
                output.close()
