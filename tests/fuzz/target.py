"""What is done with a kind of damaged file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz.mutations import mutate


@dataclass(frozen=True, slots=True)
class Target:
    """sample: the sound file, see inputs.py; read: given a damaged one; weight: share of the seeds that are tried."""

    sample: str
    read: Callable[[Path], object]
    damage: Callable[[bytes, int], bytes] = mutate
    weight: float = 1.0

    def run(self, folder: Path, seed: int) -> None:
        """Read what the seed makes of the sample. The damaged file stays when the process dies, to be looked at."""
        sample = folder / self.sample
        path = folder / f"damaged_{sample.name}"
        path.write_bytes(self.damage(sample.read_bytes(), seed))
        self.read(path)
