"""Frames of something that delivers at its own pace and may break off.

What the consumer is too slow for is dropped and counted, so that no delay builds up. Of a connection that broke and came back the
consumer sees nothing but a step in the times: a tracker simply goes on.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal, Self

import numpy as np

from queryinst_vis.structures import Frame
from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.live_receiver import Arrival, Link, Receiver
from queryinst_vis.video.pixels import to_rgb
from queryinst_vis.video.upright import letterbox

Policy = Literal["newest", "every"]

_POLICIES = ("newest", "every")
_LATE_SECONDS = 0.5


class LiveFrames:
    """A `VideoSource` over links that `connect` makes (VideoError: not now). Time begins with the first frame taken.

    policy: "newest", the consumer gets the latest frame, and what came while it was busy is dropped; "every", up to
    `queue_frames` wait, and when these are full the oldest is dropped, which is told in `problems`. Frames of another size are
    fitted to the first one's. Nothing but `close` and `reconnect.give_up_after` ends the waiting for a source that went away.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Link],
        *,
        policy: Policy,
        queue_frames: int,
        reconnect: Backoff,
        first_within: float,
    ) -> None:
        """name: for messages, without secrets. VideoError: no picture in `first_within` seconds; that is not tried again, since
        an address may be mistyped."""
        if policy not in _POLICIES:
            raise VideoError(f"policy {policy!r} is unknown; one of {', '.join(_POLICIES)}")
        if queue_frames < 1:
            raise VideoError(f"a queue of {queue_frames} frames holds none; at least 1")
        self.name = name
        self._takes_every = policy == "every"
        self._give_up_after = reconnect.give_up_after
        self._count: Counter[str] = Counter()
        self._begun = False
        self._gave_up = ""
        self._receiver = Receiver(
            name, connect, slots=queue_frames if self._takes_every else 1, reconnect=reconnect, first_within=first_within
        )
        self.info = self._receiver.first.info
        self._orientation = self._receiver.first.orientation

    @property
    def is_live(self) -> bool:
        """Whether frames come when they happen; False for a recording, which is delivered whole and ends."""
        return not self._receiver.first.is_recording

    def __iter__(self) -> Iterator[Frame]:
        if self._begun:
            raise RuntimeError("a video source is iterated once; open it again")
        self._begun = True
        self._receiver.begin()
        index = 0
        while (arrival := self._receiver.take()) is not None:
            self._count["frames"] += 1
            self._count["late"] += self.is_live and time.monotonic() - arrival.seconds > _LATE_SECONDS
            yield Frame(self._upright(arrival), index, arrival.pts, self.info.time_base)
            index += 1
        if self._receiver.is_given_up:
            self._gave_up = f"given up after {self._give_up_after:g} s without a picture ({self._receiver.why_none})"

    def _upright(self, arrival: Arrival) -> np.ndarray:
        frame, (width, height) = arrival.frame, (self.info.width, self.info.height)
        if self._orientation.transpose:
            width, height = height, width
        self._count["corrupt"] += frame.is_corrupt
        if (frame.width, frame.height) == (width, height):
            image = to_rgb(frame)
        else:
            self._count["resized"] += 1
            image = letterbox(frame, width, height)
        return self._orientation.apply(image)

    @property
    def statistics(self) -> dict[str, int | float]:
        """So far: frames delivered; dropped because the consumer was busy; late, delivered over half a second after they came;
        reconnects that brought pictures again."""
        counts = self._count + self._receiver.count
        return {name: counts[name] for name in ("frames", "dropped", "late", "reconnects")}

    @property
    def problems(self) -> list[str]:
        """One line per kind of trouble met so far."""
        receiver, count = self._receiver, self._count + self._receiver.count
        again = f"connected again, the longest gap was {receiver.longest_gap:.1f} s (the last cause: {receiver.broke})"
        counted = [
            (count["reconnects"], "time", again),
            (count["undecodable"], "packet", "could not be decoded"),
            (count["corrupt"], "frame", "decoded with errors"),
            (count["resized"], "frame", "had another size and took the first frame's"),
            (receiver.num_jumps, "frame", "had a time that did not follow and was moved"),
            (count["dropped"] * self._takes_every, "frame", "dropped: they came faster than they were taken"),
        ]
        lines = [f"{number} {noun}{'' if number == 1 else 's'} {what}" for number, noun, what in counted if number]
        if self._gave_up:
            return [*lines, self._gave_up]
        return [*lines, f"broke off and did not come back ({receiver.why_none})"] if receiver.is_away else lines

    def close(self) -> None:
        """End at once, from any thread or signal handler: a consumer that waits gets the end of the frames."""
        self._receiver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
