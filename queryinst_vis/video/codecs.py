"""Which codec goes into which container, how each is encoded, and how each container is written.

While it is written, a file is a chain of fragments (MP4, MOV) or clusters (Matroska, WebM) of `FRAGMENT` seconds: whatever is on
the disk plays. A kill costs at most the fragment in progress and the pictures that the encoder holds back (`Codec.held`).
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.codec import Codec as Encoder
from av.codec.codec import UnknownCodecError

from queryinst_vis.video.base import VideoError

FRAGMENT = Fraction(1, 5)  # seconds
_MOST_TICKS = 2**31 - 1
_EXACT = {"avoid_negative_ts": "disabled"}  # else sound that begins before 0, as AAC's does, moves all times
_LONGEST_SAMPLE = 2**28  # reordered pictures are up to five of these late, which is kept in 31 bits
_LEAST_CLOCK = 10000
_FINE_TICKS = 1_000_000  # a second of the movie, so that the first sample of the sound is placed to the microsecond


@dataclass(frozen=True)
class Codec:
    """How pictures are encoded. encoders: FFmpeg's names with their options, best first.

    held: most pictures that the encoder waits for before it gives the first; reorder: most pictures that overtake another.
    """

    encoders: dict[str, dict[str, str]]
    pix_fmt: str = "yuv420p"
    held: int = 0
    reorder: int = 0


_X264 = {"crf": "20", "preset": "veryfast"}
_SVT = {"crf": "32", "preset": "9", "svtav1-params": "lookahead=0:pred-struct=1"}  # with lookahead it holds 47 pictures back
_REALTIME = {"crf": "32", "b": "0", "lag-in-frames": "0", "row-mt": "1"}

CODECS = {
    "h264": Codec({"libx264": _X264}, held=12, reorder=2),
    "av1": Codec({"libsvtav1": _SVT, "libaom-av1": _REALTIME | {"usage": "realtime", "cpu-used": "8"}}),
    "vp9": Codec({"libvpx-vp9": _REALTIME | {"deadline": "realtime", "cpu-used": "7"}}),
    "prores": Codec({"prores_ks": {"profile": "standard"}}, pix_fmt="yuv422p10le"),
}


@dataclass(frozen=True)
class Container:
    """What a container holds. sounds: those copied as they are, with the least sampling rate; sound: the encoder for others."""

    format: str
    codecs: tuple[str, ...]
    sounds: dict[str, int]
    sound: str = "aac"

    @property
    def _is_matroska(self) -> bool:
        return self.format in ("matroska", "webm")

    @property
    def has_fragments(self) -> bool:
        """Whether it is written in fragments of MP4, whose times are sums of durations: each picture must last until the next."""
        return not self._is_matroska

    def longest(self, time_base: Fraction) -> int | None:
        """Ticks after which a picture must be followed by another one, None: it need not."""
        if self._is_matroska:
            return None
        clock = time_base.denominator
        while clock < _LEAST_CLOCK:  # as FFmpeg chooses that of the track
            clock *= 2
        return max(int(_LONGEST_SAMPLE / (clock * time_base)), 1)

    def while_writing(self, time_base: Fraction) -> dict[str, str]:
        """FFmpeg's options for a file that plays at any moment."""
        options = {"flush_packets": "1", "max_interleave_delta": "1"}  # sound and pictures come in order: nothing waits
        if self._is_matroska:
            return options | _EXACT | {"cluster_time_limit": str(int(FRAGMENT * 1000))}
        microseconds = str(int(FRAGMENT * 1_000_000))
        return options | _ticks(time_base) | {"movflags": "+delay_moov+default_base_moof", "frag_duration": microseconds}

    def when_complete(self, time_base: Fraction) -> dict[str, str]:
        """FFmpeg's options for a file with its index in front."""
        return _EXACT | {"cues_to_front": "1"} if self._is_matroska else {"movflags": "+faststart"} | _ticks(time_base)


def _ticks(time_base: Fraction) -> dict[str, str]:
    """The clock of the whole movie, a multiple of that of the pictures: edit lists place every track exactly."""
    ticks = time_base.denominator
    return {"movie_timescale": str(ticks * max(min(-(-_FINE_TICKS // ticks), _MOST_TICKS // ticks), 1))}


_MP4 = Container("mp4", ("h264", "av1", "vp9"), {"aac": 0, "mp3": 16000, "opus": 0})
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", ("h264", "prores"), {"aac": 0, "mp3": 0}),
    ".mkv": Container("matroska", ("h264", "av1", "vp9", "prores"), {"aac": 0, "mp3": 0, "opus": 0, "vorbis": 0, "flac": 0}),
    ".webm": Container("webm", ("vp9", "av1"), {"opus": 0, "vorbis": 0}, sound="libopus"),
}


def container_for(path: Path, codec: str) -> Container:
    """By the path's suffix. VideoError: no such suffix or codec, they do not go together, or this PyAV cannot encode it."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise VideoError(f"cannot write {path}: the name of a video must end in {', '.join(CONTAINERS)}")
    if codec not in CODECS:
        raise VideoError(f"there is no codec '{codec}'; choose one of {', '.join(CODECS)}")
    if codec not in container.codecs:
        suffixes = ", ".join(suffix for suffix, other in CONTAINERS.items() if codec in other.codecs)
        holds = " or ".join(container.codecs)
        raise VideoError(f"cannot write {path}: {path.suffix} takes {holds}; {codec} goes into {suffixes}")
    encoder_for(codec)
    return container


def encoder_for(codec: str) -> str:
    """FFmpeg's name of the encoder that is used. VideoError: this PyAV has none."""
    encoders = CODECS[codec].encoders
    for name in encoders:
        if _exists(name):
            return name
    raise VideoError(f"the installed PyAV cannot encode {codec} (it has no {' or '.join(encoders)}); choose another codec")


def _exists(encoder: str) -> bool:
    try:
        Encoder(encoder, "w")
    except UnknownCodecError:
        return False
    return True
