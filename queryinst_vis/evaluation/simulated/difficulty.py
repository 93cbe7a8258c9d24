"""How imperfect the simulated detector is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from queryinst_vis.errors import UserError

SIMILARITIES = ("cosine", "dot")


@dataclass(frozen=True, slots=True)
class Difficulty:
    """Settings of the simulated detector.

    miss_rate: chance to miss an object in plain view (up to seven times that when it is small or hidden); false_positives: per
    frame, most with low scores; box_jitter: standard deviation of a box's edges, in sides; mask_noise: of mask probabilities;
    class_flips: share of sightings called by another class; persistence: correlation of luck from frame to frame.
    embed_dim: size of embeddings; same_cosine, other_cosine: average cosine of two sightings of one object, and of two objects
    of one category; similarity: "cosine" or "dot" (see IdentityEmbeddings).
    """

    miss_rate: float = 0.08
    false_positives: float = 0.5
    box_jitter: float = 0.03
    mask_noise: float = 0.15
    class_flips: float = 0.08
    persistence: float = 0.6
    embed_dim: int = 64
    same_cosine: float = 0.8
    other_cosine: float = 0.3
    similarity: str = "cosine"

    def __post_init__(self) -> None:
        for name in ("miss_rate", "class_flips", "persistence", "same_cosine", "other_cosine"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name, least in (("false_positives", 0), ("box_jitter", 0), ("mask_noise", 0), ("embed_dim", 1)):
            if not least <= getattr(self, name) <= 1000:
                raise UserError(f"{name} must lie in [{least}, 1000], got {getattr(self, name)}")
        if self.other_cosine > self.same_cosine:
            raise UserError(f"other_cosine must not exceed same_cosine ({self.same_cosine}), got {self.other_cosine}")
        if self.similarity not in SIMILARITIES:
            raise UserError(f"similarity must be {' or '.join(SIMILARITIES)}, got '{self.similarity}'")


LEVELS = {
    "easy": Difficulty(0.02, 0.1, 0.02, 0.1, 0.02, same_cosine=0.9, other_cosine=0.1),
    "medium": Difficulty(),
    "hard": Difficulty(0.12, 1.0, 0.05, 0.25, 0.2, same_cosine=0.95, other_cosine=0.92),  # alike as queries of an image model
}


def parse_difficulty(words: Sequence[str]) -> Difficulty:
    """From the name of a level and `setting=value`s, both optional: ["hard", "miss_rate=0.3"]. UserError: no such thing."""
    level = "medium"
    if words and "=" not in words[0]:
        level, *words = words
    if level not in LEVELS:
        raise UserError(f"no difficulty is called '{level}'; there are: {', '.join(LEVELS)}")
    return replace(LEVELS[level], **dict(map(_setting, words)))


def _setting(word: str) -> tuple[str, Any]:
    kinds = {f.name: type(f.default) for f in fields(Difficulty)}
    name, _, text = word.partition("=")
    if name not in kinds:
        raise UserError(f"the simulated detector has no setting '{name}'; there are: {', '.join(kinds)}")
    try:
        return name, kinds[name](text)
    except ValueError:
        raise UserError(f"{name} must be {'a whole number' if kinds[name] is int else 'a number'}, got '{text}'") from None
