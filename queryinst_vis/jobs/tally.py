"""How many frames and tracks of each class a video had, counted in memory that does not grow."""

from collections import Counter
from typing import Any

import numpy as np

from queryinst_vis.structures import Instances
from queryinst_vis.tracks import class_scores

_KEPT = 1024  # tracks whose class may still change: more than trackers hold, so that one left out never comes back


class TrackTally:
    """Takes in what every frame gave. The class of a track is the one with the highest score on average."""

    def __init__(self, num_classes: int) -> None:
        self.num_frames = 0
        self._num_classes = num_classes
        self._class_sums: dict[int, np.ndarray] = {}  # of the tracks seen last, the latest at the end
        self._gone: Counter[int] = Counter()  # how many tracks of each label went before them

    def add(self, instances: Instances) -> None:
        """The tracked objects of the next frame."""
        assert instances.track_ids is not None
        self.num_frames += 1
        for track_id, row in zip(instances.track_ids.tolist(), class_scores(instances, self._num_classes), strict=True):
            self._class_sums[track_id] = self._class_sums.pop(track_id, 0) + row
        while len(self._class_sums) > _KEPT:
            self._gone[int(self._class_sums.pop(next(iter(self._class_sums))).argmax())] += 1

    def by_label(self) -> Counter[int]:
        """Number of tracks of each label."""
        return self._gone + Counter(int(sums.argmax()) for sums in self._class_sums.values())

    def state_dict(self) -> dict[str, Any]:
        """For JSON."""
        sums = [[track_id, row.tolist()] for track_id, row in self._class_sums.items()]
        return {"num_frames": self.num_frames, "class_sums": sums, "gone": list(self._gone.items())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Carry on from what `state_dict()` gave."""
        self.num_frames = state["num_frames"]
        self._class_sums = {track_id: np.array(row) for track_id, row in state["class_sums"]}
        self._gone = Counter(dict(state["gone"]))
