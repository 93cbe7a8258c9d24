"""Addresses of streams: which are accepted, and how they are shown."""

import re

from queryinst_vis.video.base import VideoError

LIVE_SCHEMES = ("rtsp", "rtsps", "http", "https", "udp", "srt")
# What FFmpeg may open on behalf of a stream. Not `file`, `concat` and the like: a playlist cannot reach local files.
_PROTOCOLS = "rtp,udp,tcp,tls,http,https,httpproxy,srt,crypto"

# Greedy up to the last @: a password may hold / and @ itself. An address with @ in its path shows less than it could.
_CREDENTIALS = re.compile(r"://\S*@")
_SECRETS = re.compile(r"(pass(?:word|wd)?|pwd|token|secret|api_?key|auth|sig(?:nature)?)=[^&#\s]*", re.IGNORECASE)


def is_live_url(text: str) -> bool:
    """Whether this is the address of a stream rather than the name of a file."""
    return text.lower().startswith(tuple(f"{scheme}://" for scheme in LIVE_SCHEMES))


def check_url(url: str) -> str:
    """The address. VideoError: of a kind that is not read."""
    if not is_live_url(url):
        allowed = " ".join(f"{scheme}://" for scheme in LIVE_SCHEMES)
        raise VideoError(f"{mask_url(url)} is not the address of a stream; one begins with {allowed}")
    return url


def mask_url(text: str) -> str:
    """The text without user names, passwords and tokens, for messages and logs."""
    return _SECRETS.sub(r"\1=***", _CREDENTIALS.sub("://***@", text))


def allowed_protocols() -> dict[str, str]:
    """FFmpeg's option that keeps a stream from opening anything but streams."""
    return {"protocol_whitelist": _PROTOCOLS}
