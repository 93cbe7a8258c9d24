"""A thread that takes pictures from something that delivers at its own pace, and reconnects when it breaks off.

No wait here is without a limit or deaf to `close`. A read that hangs in a library is not waited for: it ends by its own time-out.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple, Protocol

import av

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.live_clock import LiveClock
from queryinst_vis.video.live_link import time_of
from queryinst_vis.video.upright import Orientation

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.2  # a signal's handler may close between a check and a wait
_CLOSING_SECONDS = 0.5


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


class Arrival(NamedTuple):
    """A picture, its time in ticks, and when it came in seconds of the monotonic clock."""

    frame: av.VideoFrame
    pts: int
    seconds: float


class Receiver:
    """Pictures over links that `connect` makes, for one consumer. Time begins when it does.

    `count`: dropped, reconnects, undecodable. Of a recording nothing is dropped: the thread waits for the consumer.
    """

    first: Link  # for its facts: it may be closed

    def __init__(self, name: str, connect: Callable[[], Link], *, slots: int, reconnect: Backoff, first_within: float) -> None:
        """slots: pictures that wait for the consumer; when these are taken, the oldest goes. first_within: seconds in which the
        first picture must come, else VideoError."""
        self.count: Counter[str] = Counter()
        self.longest_gap = 0.0
        self.is_away = False  # since the last connection broke
        self.broke = self.why_none = ""  # why the last connection ended; why there is none at the moment
        self._name, self._connect, self._slots, self._reconnect = name, connect, slots, reconnect
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._waiting: deque[Arrival] = deque()
        self._has_come = self._begun = self._ended = False
        self._failure: BaseException | None = None
        self._last_arrival = time.monotonic()
        self._seen: Fraction | None = None
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
            while not (self._has_come or self._ended) and time.monotonic() < limit:
                self._changed.wait(_POLL_SECONDS)
            if not self._has_come:
                raise self._failure or VideoError(f"{self._name}: no picture within {seconds:g} s")

    def begin(self) -> None:
        """The consumer is there: from now on pictures are kept and counted, and the first one's time is 0."""
        with self._changed:
            self._begun = True

    def take(self) -> Arrival | None:
        """The next picture, waited for; None at the end, after `close`, and when it is given up. Raises what ended the thread."""
        with self._changed:
            while not self._stop.is_set():
                if self._waiting:
                    self._changed.notify_all()
                    return self._waiting.popleft()
                if self._failure is not None:
                    raise self._failure
                if self._ended or self.is_given_up:
                    break
                self._changed.wait(_POLL_SECONDS)
        self._stop.set()
        return None

    @property
    def is_given_up(self) -> bool:
        """Whether no picture came for longer than allowed."""
        limit = self._reconnect.give_up_after
        return limit is not None and time.monotonic() - self._last_arrival > limit

    @property
    def num_jumps(self) -> int:
        """Pictures whose time did not follow the one before."""
        return self._clock.num_jumps

    def close(self) -> None:
        """End at once, from any thread or signal handler: a consumer that waits gets the end."""
        self._stop.set()
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSING_SECONDS)

    # what runs in the thread

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
            link = self.first = self._connect()
        except VideoError as error:
            raise VideoError(f"{self._name} cannot be opened: {error}") from None
        self._clock = LiveClock(link.info.time_base)
        if link.is_recording:
            self._clock.begin_recording(link.start)
        return link

    def _take_all(self, link: Link) -> bool:
        """Receive until the link breaks. Whether nothing comes after it."""
        is_over = self.first.is_recording
        try:
            for frame in link.frames():
                if self._stop.is_set():
                    return True
                self._put(frame, link)
            self.broke = self.why_none = "the stream ended"
        except VideoError as error:
            self.broke = self.why_none = str(error)
            is_over = False
        finally:
            self.count["undecodable"] += link.num_undecodable
            link.close()
        return is_over or self._stop.is_set()

    def _put(self, frame: av.VideoFrame, link: Link) -> None:
        now = time.monotonic()
        seconds = time_of(frame) if link.is_timed else None
        with self._changed:
            self._make_room()
            pts = self._clock(None if seconds is None else round(seconds / self.first.info.time_base), now)
            self._waiting.append(Arrival(frame, pts, now))
            self._has_come, self._seen, self._last_arrival = True, seconds, now
            self._changed.notify_all()

    def _make_room(self) -> None:
        if self.first.is_recording:
            while len(self._waiting) == self._slots and not self._stop.is_set():
                self._changed.wait(_POLL_SECONDS)
        elif not self._begun:
            self._waiting.clear()
            self._clock = LiveClock(self.first.info.time_base)
        elif len(self._waiting) == self._slots:
            self._waiting.popleft()
            self.count["dropped"] += 1

    def _connect_again(self) -> Link | None:
        """A new link, when there is one again; None when nobody waits for it any more."""
        self.is_away = True
        _LOG.warning("%s: no pictures any more (%s); connecting again", self._name, self.broke)
        for wait in self._reconnect.waits():
            if self._stop.wait(wait):
                break
            try:
                link = self._connect()
                if self._seen is not None and self.first.is_recording:
                    link.resume(self._seen)
            except VideoError as error:
                self.why_none = str(error)
                continue
            if link.is_recording and not self.first.is_recording:  # such as a broadcast that is over and can be seen again
                link.close()
                return None
            self._came_back()
            return link
        return None

    def _came_back(self) -> None:
        self.is_away = False
        gap = time.monotonic() - self._last_arrival
        self.count["reconnects"] += 1
        self.longest_gap = max(self.longest_gap, gap)
        _LOG.warning("%s: pictures again after %.1f s", self._name, gap)
        if not self.first.is_recording:
            self._clock.connected()
