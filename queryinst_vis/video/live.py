"""Streams on the network that drop out and come back: cameras, encoders, and recordings on a web server."""

from collections.abc import Mapping

from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import Limits, VideoError
from queryinst_vis.video.live_frames import LiveFrames, Policy
from queryinst_vis.video.live_link import StreamLink
from queryinst_vis.video.url import check_url, mask_url

QUEUE_FRAMES = 32
RECONNECT = Backoff()


class LiveSource(LiveFrames):
    """Frames of rtsp, rtsps, http, https, udp and srt streams, as a `VideoSource` that survives what the network does.

    Times grow over every gap by what passed; pictures of another size are fitted to the first one's. An address whose length is
    known is a recording, not live: every frame of it comes, at the pace of the consumer, and it ends at its end.
    """

    def __init__(
        self,
        url: str,
        *,
        policy: Policy = "newest",
        open_timeout: float = 10.0,
        read_timeout: float = 10.0,
        reconnect: Backoff = RECONNECT,
        queue_frames: int = QUEUE_FRAMES,
        limits: Limits | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Time-outs in seconds. limits: their `max_pixels` and `hwaccel` count here. options: FFmpeg's, such as
        rtsp_transport=udp. The rest: `LiveFrames`, and its VideoError."""
        if min(open_timeout, read_timeout) <= 0:
            raise VideoError(f"time-outs above 0 s expected, got {open_timeout:g} s and {read_timeout:g} s")
        check_url(url)
        own = limits or Limits()

        def connect() -> StreamLink:
            return StreamLink(url, open_timeout=open_timeout, read_timeout=read_timeout, limits=own, options=options or {})

        super().__init__(
            mask_url(url),
            connect,
            policy=policy,
            queue_frames=queue_frames,
            reconnect=reconnect,
            first_within=2 * open_timeout + read_timeout + 1,  # reaching it and probing it have the same limit each
        )
