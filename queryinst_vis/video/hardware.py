"""Decoding by a device, such as the decoder of a graphics card; in software, which is said once, where no device can.

Pictures come back into the memory of the host. Those of conforming videos are the same either way.
"""

import functools
import logging
from typing import TYPE_CHECKING

import av
from av.codec.hwaccel import HWAccel

if TYPE_CHECKING:
    from av.codec.hwaccel import HWConfig
    from av.video.codeccontext import VideoCodecContext

_LOG = logging.getLogger(__name__)
_CODECS = ("h264", "hevc", "vp9", "mpeg2video")  # a device that decodes anything decodes one of these
_KEEPS_COLOURS = 18  # PyAV before it takes nothing but the time along when a picture leaves the device


@functools.cache
def device_names() -> tuple[str, ...]:
    """Kinds of devices that this build of FFmpeg can decode on, e.g. cuda. Whether there is one is another question."""
    return tuple(sorted({config.device_type.name for codec in _decoders() for config in _usable(codec)}))


def hardware(name: str | None) -> HWAccel | None:
    """For `av.open`, with a way back to software for every stream that the device does not know; None: software."""
    if name is None:
        return None
    if why_not := _obstacle(name):
        tell(f"videos are decoded in software: {why_not}")
        return None
    return HWAccel(name, allow_software_fallback=True)


@functools.cache
def _obstacle(name: str) -> str:
    """Why no device of this kind can be used; empty when one can."""
    if int(av.__version__.split(".")[0]) < _KEEPS_COLOURS:
        return f"PyAV {av.__version__} loses the colours of pictures that a device decoded, {_KEEPS_COLOURS} keeps them"
    for codec in _decoders():
        if any(config.device_type.name == name for config in _usable(codec)):
            try:
                HWAccel(name).create(codec)
            except (av.FFmpegError, OSError) as error:
                return no_device(name, error)
            return ""
    return f"this build of FFmpeg knows no {name}"


def no_device(name: str, error: Exception) -> str:
    """In words, why a device could not be opened."""
    why = "no driver" if isinstance(error, PermissionError) else getattr(error, "strerror", None) or str(error)
    return f"there is no {name} device to use ({why})"


def tell_if_software(name: str | None, context: "VideoCodecContext") -> None:
    """Say that the device that a decoder was given does not decode such videos. To be called when a picture came."""
    if name is not None and context.hwaccel is not None and not is_on_device(name, context):
        tell(f"{context.name} of {context.pix_fmt} is decoded in software: {name} does not decode it here")


def is_on_device(name: str, context: "VideoCodecContext") -> bool:
    """Whether the pictures of a decoder that has begun come from such a device."""
    formats = [config.format.name for config in _usable(context.codec) if config.device_type.name == name and config.format]
    return context.is_hwaccel and context.pix_fmt in formats


@functools.cache
def tell(line: str) -> None:
    """A warning, once in a process: of a thousand videos each would give the same."""
    _LOG.warning(line)


def _decoders() -> "list[av.Codec]":
    return [av.Codec(name, "r") for name in _CODECS if name in av.codecs_available]


def _usable(codec: "av.Codec") -> "list[HWConfig]":
    return [config for config in codec.hardware_configs or () if config.is_supported]
