"""Counts what is wrong with a video while it is read, and tells it in one line per kind."""

from collections.abc import Iterator
from fractions import Fraction

import av

from queryinst_vis.video.base import reason
from queryinst_vis.video.container import packets_of

_ONE_PICTURE_PER_PACKET = {"h264", "hevc"}  # other codecs have packets that are never shown
_UNTOLD_GAP = 1.0  # seconds: headers round, and streams end at different times


class Damage:
    """Packets of one stream, and what they and their pictures lack."""

    def __init__(self, container: "av.container.InputContainer", stream: "av.video.stream.VideoStream") -> None:
        self._container, self._stream_index = container, stream.index
        # facts kept here can be asked for after the file is closed
        self._num_declared = stream.frames if "mp4" in container.format.name else 0
        self._one_picture_per_packet = stream.codec_context.name in _ONE_PICTURE_PER_PACKET
        self._start = max((container.start_time or 0) / av.time_base, 0)
        self._duration = (container.duration or 0) / av.time_base
        self._num_packets = self._num_hidden = self._num_frames = 0
        self._num_undecodable = self._num_corrupt = self._num_resized = self._num_unconvertible = 0
        self._end = Fraction(0)  # seconds: where the latest packet of any stream ends
        self._interlaced = self._at_end = False
        self._broke_off: str | None = None
        self._last_error = ""
        self.num_times_moved = 0

    def packets(self) -> Iterator[av.Packet]:
        """The stream's packets to the end of the file, or to where it cannot be read any further."""
        demuxed = packets_of(self._container)
        while (packet := self._next(demuxed)) is not None:
            if packet.pts is not None:
                self._end = max(self._end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.size and packet.stream_index == self._stream_index:
                self._num_packets += 1
                self._num_hidden += packet.is_discard
                yield packet

    def _next(self, demuxed: Iterator[av.Packet]) -> av.Packet | None:
        try:
            return next(demuxed, None)
        except (av.FFmpegError, OSError) as error:
            self._broke_off = "no data in time" if isinstance(error, av.ExitError) else reason(error)
            return None

    def sought(self) -> None:
        """Reading began in the middle: what a whole file should hold is no measure any more."""
        self._num_declared, self._one_picture_per_packet = 0, False

    def undecodable(self, error: Exception) -> None:
        """A packet the decoder refused."""
        self._num_undecodable += 1
        self._last_error = reason(error)

    def unconvertible(self, error: Exception) -> None:
        """A picture whose pixels cannot be made RGB."""
        self._num_unconvertible += 1
        self._last_error = reason(error)

    def decoded(self, frame: av.VideoFrame) -> None:
        """A picture that came out."""
        self._num_frames += 1
        self._num_corrupt += frame.is_corrupt
        self._interlaced |= frame.interlaced_frame

    def resized(self) -> None:
        """A picture of another size than the first."""
        self._num_resized += 1

    def finished(self) -> None:
        """No packet and no picture will come any more; only then is known what is missing."""
        self._at_end = True

    def lines(self) -> list[str]:
        """One line per kind of damage; none for a sound video."""
        counted = [
            (self._num_undecodable, "packet", f"could not be decoded ({self._last_error})"),
            (self._num_unconvertible, "frame", f"could not be converted to RGB ({self._last_error})"),
            (self._num_silent, "packet", "gave no picture"),
            (self._num_corrupt, "frame", "decoded with errors"),
            (self._num_resized, "frame", "had another size and took the first frame's"),
            (self.num_times_moved, "frame", "had a time that did not grow and was moved"),
            (self._num_absent, "frame", f"of {self._num_declared} missing: the file ends early"),
        ]
        lines = [f"{number} {noun}{'' if number == 1 else 's'} {what}" for number, noun, what in counted if number]
        if self._broke_off:
            lines.append(f"reading broke off at {float(self._end):.2f} s ({self._broke_off})")
        elif self._ends_early:
            lines.append(f"the file ends early: at {float(self._end):.2f} s of {self._duration:.2f} s")
        return lines

    @property
    def _num_silent(self) -> int:
        """Packets that vanished in the decoder."""
        if not self._at_end or self._interlaced or not self._one_picture_per_packet:
            return 0
        return max(self._num_packets - self._num_hidden - self._num_undecodable - self._num_frames, 0)

    @property
    def _num_absent(self) -> int:
        """Packets that an MP4's table of contents names and the file does not hold."""
        return max(self._num_declared - self._num_packets, 0) if self._at_end else 0

    @property
    def _ends_early(self) -> bool:
        told_already = self._num_absent or not self._at_end
        return not told_already and self._end - self._start < self._duration - _UNTOLD_GAP
