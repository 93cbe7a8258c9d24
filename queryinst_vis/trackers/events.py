"""What happens to tracks: born, lost, returned, ended. Found in what a tracker shows, so it works with every tracker.

An object is lost in the first frame that does not show it, and ended when it stayed away for `patience` seconds. One that comes
back later still (a tracker with more patience) has returned, too.
"""

from dataclasses import dataclass
from typing import Any

from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers.base import check_not_negative

BORN, LOST, RETURNED, ENDED = "born", "lost", "returned", "ended"
_MOST_ENDED = 4096  # ids that are known to have been there; with so many after it, one that comes back counts as born


@dataclass(slots=True)
class Event:
    """kind: born, lost, returned or ended; label: the class the track had when it was seen last; time: seconds."""

    kind: str
    track_id: int
    label: int
    frame_index: int
    time: float


class EventFinder:
    """Takes in the frames of one video in order, in memory that does not grow."""

    def __init__(self, *, patience: float = 3.0) -> None:
        """patience: seconds; ValueError when negative."""
        check_not_negative(patience=patience)
        self.patience = patience
        self._present: dict[int, int] = {}  # id -> label
        self._absent: dict[int, tuple[int, float]] = {}  # id -> label, time of the first frame without it
        self._ended: dict[int, None] = {}  # ids, the latest at the end
        self._last = (0, 0.0)  # index and time of the last frame

    def update(self, frame: Frame, instances: Instances) -> list[Event]:
        """What the next frame shows. ValueError: its instances have no track_ids."""
        if instances.track_ids is None:
            raise ValueError("events need instances with track_ids")
        self._last = (frame.index, frame.time)
        shown = dict(zip(instances.track_ids.tolist(), instances.labels.tolist(), strict=True))
        gone = {track_id: label for track_id, label in self._present.items() if track_id not in shown}
        over = [track_id for track_id in self._absent if track_id not in shown and self._is_over(track_id, frame.time)]
        events = [self._appear(track_id, label) for track_id, label in shown.items() if track_id not in self._present]
        events += [Event(LOST, track_id, label, *self._last) for track_id, label in gone.items()]
        events += [self._end(track_id) for track_id in over]
        self._absent |= {track_id: (label, frame.time) for track_id, label in gone.items()}
        self._present = shown
        return events

    def _is_over(self, track_id: int, time: float) -> bool:
        return time - self._absent[track_id][1] >= self.patience

    def _appear(self, track_id: int, label: int) -> Event:
        is_known = track_id in self._absent or track_id in self._ended
        self._absent.pop(track_id, None)
        self._ended.pop(track_id, None)
        return Event(RETURNED if is_known else BORN, track_id, label, *self._last)

    def _end(self, track_id: int) -> Event:
        label, _ = self._absent.pop(track_id)
        self._ended[track_id] = None
        if len(self._ended) > _MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        return Event(ENDED, track_id, label, *self._last)

    def finish(self) -> list[Event]:
        """After the last frame of the video: all that is still there or waited for ends with it."""
        self._absent |= {track_id: (label, self._last[1]) for track_id, label in self._present.items()}
        self._present = {}
        return [self._end(track_id) for track_id in sorted(self._absent)]

    def state_dict(self) -> dict[str, Any]:
        """For JSON: all that later events depend on."""
        return {
            "present": list(self._present.items()),
            "absent": [[track_id, *values] for track_id, values in self._absent.items()],
            "ended": list(self._ended),
            "last": list(self._last),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Carry on from what `state_dict()` gave."""
        self._present = dict(state["present"])
        self._absent = {track_id: (label, time) for track_id, label, time in state["absent"]}
        self._ended = dict.fromkeys(state["ended"])
        self._last = tuple(state["last"])
