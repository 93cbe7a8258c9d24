"""Frames of something that delivers at its own pace and may break off: a thread receives, the consumer takes.

What the consumer is too slow for is dropped and counted, so that no delay builds up. The thread reconnects by itself; the
consumer sees nothing of it but a step in the times. No wait here is without a limit or deaf to `close`.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal, NamedTuple, Protocol, Self

import av
import numpy as np

from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.live_clock import LiveClock
from queryinst_vis.video.live_link import time_of
from queryinst_vis.video.pyav import to_rgb
from queryinst_vis.video.upright import Orientation, letterbox

Policy = Literal["newest", "every"]

_POLICIES = ("newest", "every")
_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.2  # a signal's handler may close between a check and a wait
_CLOSING_SECONDS = 0.5  # the thread is waited for; one that hangs in a read ends by itself at its time-out
_LATE_SECONDS = 0.5


class Link(Protocol):
    """One connection. is_recording: it has an end and can be read at any pace; is_timed: its pictures' times mean something."""

    info: VideoInfo
    orientation: Orientation
    is_recording: bool
    is_timed: bool
    start: int
    num_undecodable: int

    def frames(self) -> Iterator[av.VideoFrame]: ...

    def resume(self, after: Fraction) -> None: ...

    def close(self) -> None: ...


class _Arrival(NamedTuple):
    frame: av.VideoFrame
    pts: int
    seconds: float  # of the monotonic clock


class LiveFrames:
    """A `VideoSource` over links that `connect` makes (VideoError: not now). Time begins with the first frame taken.

    `statistics`: frames delivered; dropped because the consumer was busy; late, delivered over half a second after they came;
    reconnects that brought pictures again.
    """

    info: VideoInfo

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
        """name: for messages, without secrets. policy: "newest", the consumer gets the latest frame and what came while it was
        busy is dropped; "every", up to `queue_frames` wait, and when they are full the oldest is dropped and told in `problems`.
        first_within: seconds in which the first picture must come, else VideoError; that is not tried again, since an address may
        be mistyped."""
        if policy not in _POLICIES:
            raise VideoError(f"policy {policy!r} is unknown; one of {', '.join(_POLICIES)}")
        if queue_frames < 1:
            raise VideoError(f"a queue of {queue_frames} frames holds none; at least 1")
        self.name = name
        self._connect, self._reconnect = connect, reconnect
        self._takes_every = policy == "every"
        self._slots = queue_frames if self._takes_every else 1
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._waiting: deque[_Arrival] = deque()
        self._begun = self._ended = False
        self._failure: BaseException | None = None
        self._gave_up = ""
        self._broke = self._cause = ""  # why the last connection ended; why there is none at the moment
        self._count: Counter[str] = Counter()
        self._longest_gap = 0.0
        self._last_arrival = time.monotonic()
        self._seen: Fraction | None = None
        self._link: Link | None = None  # only a link that delivered
        self._thread = threading.Thread(target=self._receive, name=f"receive {name}", daemon=True)
        self._thread.start()
        try:
            self._await_first(first_within)
        except BaseException:
            self.close()
            raise

    def _await_first(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        with self._changed:
            while self._link is None and not self._ended and time.monotonic() < limit:
                self._changed.wait(_POLL_SECONDS)
            if self._link is None:
                raise self._failure or VideoError(f"{self.name}: no picture within {seconds:g} s")

    # the thread

    def _receive(self) -> None:
        try:
            link: Link | None = self._connect_first()
            while link is not None:
                is_over = self._take_all(link)
                link = None if is_over else self._connect_again()
        except BaseException as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _connect_first(self) -> Link:
        try:
            link = self._connect()
        except VideoError as error:
            raise VideoError(f"{self.name} cannot be opened: {error}") from None
        self.info, self._orientation = link.info, link.orientation
        self._stored_hw = (self.info.height, self.info.width)[:: -1 if link.orientation.transpose else 1]
        self._clock = LiveClock(self.info.time_base)
        if link.is_recording:
            self._clock.begin_recording(link.start)
        return link

    def _take_all(self, link: Link) -> bool:
        """Receive until the link breaks. Whether nothing comes after it."""
        try:
            for frame in link.frames():
                if self._stop.is_set():
                    return True
                self._put(frame, link)
            self._broke = self._cause = "the stream ended"
            return link.is_recording
        except VideoError as error:
            if self._stop.is_set():
                return True
            self._broke = self._cause = str(error)
            return False
        finally:
            self._count["undecodable"] += link.num_undecodable
            link.close()

    def _connect_again(self) -> Link | None:
        _LOG.warning("%s: no pictures any more (%s); connecting again", self.name, self._cause)
        lost = self._last_arrival
        for wait in self._reconnect.waits():
            if self._stop.wait(wait):
                break
            try:
                link = self._connect()
            except VideoError as error:
                self._cause = str(error)
                continue
            self._came_back(link, time.monotonic() - lost)
            return link
        return None

    def _came_back(self, link: Link, gap: float) -> None:
        self._count["reconnects"] += 1
        self._longest_gap = max(self._longest_gap, gap)
        _LOG.warning("%s: pictures again after %.1f s", self.name, gap)
        if not link.is_recording:
            self._clock.connected()
        elif self._seen is not None:
            link.resume(self._seen)

    def _put(self, frame: av.VideoFrame, link: Link) -> None:
        now = time.monotonic()
        seconds = time_of(frame) if link.is_timed else None
        with self._changed:
            if link.is_recording:
                while len(self._waiting) == self._slots and not self._stop.is_set():
                    self._changed.wait(_POLL_SECONDS)
                self._seen = seconds
            elif not self._begun:
                self._waiting.clear()
                self._clock = LiveClock(self.info.time_base)
            elif len(self._waiting) == self._slots:
                self._waiting.popleft()
                self._count["dropped"] += 1
            pts = self._clock(None if seconds is None else round(seconds / self.info.time_base), now)
            self._waiting.append(_Arrival(frame, pts, now))
            self._link, self._last_arrival = link, now
            self._changed.notify_all()

    # the consumer

    def __iter__(self) -> Iterator[Frame]:
        if self._begun:
            raise RuntimeError("a video source is iterated once; open it again")
        with self._changed:
            self._begun = True
        index = 0
        while (arrival := self._take()) is not None:
            self._count["frames"] += 1
            self._count["late"] += time.monotonic() - arrival.seconds > _LATE_SECONDS and self.is_live
            yield Frame(self._upright(arrival.frame), index, arrival.pts, self.info.time_base)
            index += 1

    def _take(self) -> _Arrival | None:
        """The next picture, waited for; None at the end."""
        with self._changed:
            while not self._stop.is_set():
                if self._waiting:
                    self._changed.notify_all()
                    return self._waiting.popleft()
                if self._failure is not None:
                    raise self._failure
                if self._ended or self._gives_up():
                    break
                self._changed.wait(_POLL_SECONDS)
        self._stop.set()
        return None

    def _gives_up(self) -> bool:
        limit = self._reconnect.give_up_after
        if limit is None or time.monotonic() - self._last_arrival < limit:
            return False
        self._gave_up = f"given up after {limit:g} s without a picture ({self._cause})"
        return True

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        height, width = self._stored_hw
        self._count["corrupt"] += frame.is_corrupt
        if (frame.height, frame.width) == (height, width):
            image = to_rgb(frame)
        else:
            self._count["resized"] += 1
            image = letterbox(frame, width, height)
        return self._orientation.apply(image)

    @property
    def is_live(self) -> bool:
        """Whether frames come when they happen; False for a recording, which is delivered whole and ends."""
        return self._link is None or not self._link.is_recording

    @property
    def statistics(self) -> dict[str, float]:
        """Counted so far."""
        return {name: self._count[name] for name in ("frames", "dropped", "late", "reconnects")}

    @property
    def problems(self) -> list[str]:
        """One line per kind of trouble met so far."""
        again = f"connected again, the longest gap was {self._longest_gap:.1f} s (the last cause: {self._broke})"
        counted = [
            (self._count["reconnects"], "time", again),
            (self._count["undecodable"], "packet", "could not be decoded"),
            (self._count["corrupt"], "frame", "decoded with errors"),
            (self._count["resized"], "frame", "had another size and took the first frame's"),
            (self._clock.num_jumps, "frame", "had a time that did not follow and was moved"),
            (self._count["dropped"] * self._takes_every, "frame", "dropped: they came faster than they were taken"),
        ]
        lines = [f"{number} {noun}{'' if number == 1 else 's'} {what}" for number, noun, what in counted if number]
        return lines + [self._gave_up] * bool(self._gave_up)

    def close(self) -> None:
        """End at once, from any thread or signal handler: a consumer that waits gets the end of the frames."""
        self._stop.set()
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSING_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
