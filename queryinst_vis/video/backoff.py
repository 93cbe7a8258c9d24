"""How long to wait between attempts to reach a source that went away."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from queryinst_vis.video.base import VideoError


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits grow from `first` to `most` seconds, each `factor` times the one before, and vary by the share `jitter`.

    The jitter keeps many readers of one camera from coming back in step. give_up_after: seconds without a picture after which
    nothing is tried any more; None: never. VideoError: numbers that make no sense.
    """

    first: float = 0.5
    factor: float = 2.0
    most: float = 30.0
    jitter: float = 0.2
    give_up_after: float | None = None

    def __post_init__(self) -> None:
        rules = {
            f"first {self.first:g} s and most {self.most:g} s: 0 < first <= most": 0 < self.first <= self.most,
            f"factor {self.factor:g}: at least 1": self.factor >= 1,
            f"jitter {self.jitter:g}: from 0 up to, not including, 1": 0 <= self.jitter < 1,
            f"give_up_after {self.give_up_after} s: above 0, or None": self.give_up_after is None or self.give_up_after > 0,
        }
        for rule, holds in rules.items():
            if not holds:
                raise VideoError(f"reconnecting: {rule} is expected")

    def waits(self, seed: int | None = None) -> Iterator[float]:
        """Seconds to wait before each attempt, endless. seed: for waits that can be repeated."""
        rng = random.Random(seed)
        for attempt in itertools.count():
            # the exponent is bounded: floats overflow after days of attempts
            wait = min(self.first * self.factor ** min(attempt, 64), self.most)
            yield wait * (1 + self.jitter * (2 * rng.random() - 1))
