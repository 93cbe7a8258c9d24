"""What a synthetic video is like: every knob with its unit, and one difficulty from 0 to 1 that turns all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from queryinst_vis.errors import UserError

Range = tuple[float, float]
LEVELS = {"easy": 0.0, "medium": 0.5, "hard": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSettings:
    """Settings of synthetic videos; (low, high) are ranges a value is drawn from, `side` is the picture's shorter side.

    size_hw, num_frames: of every video. num_objects: (least, most) in a video. object_size: diameter / side.
    speed: greatest speed of an object along an axis, in sides per frame. spin: turning speed, radians per frame, at most.
    scale_change: an object's size varies by a factor of up to exp(+-scale_change).
    lookalikes: probability that an object has the shape, size, colours and texture of one before it.
    crossings: probability that an object's path is led across that of another one, its look-alike if it has one.
    exits: probability that an object leaves the picture and comes back; absence: for how many frames.
    pillars: (least, most) things that are no objects and stand in front of all of them.
    pan, zoom, shake: of the camera: sides of slow sideways motion, logarithm of the factor, sides of fast motion, all +-.
    lighting: change of brightness over time and across the picture, +-; colour_drift: of each object's colour, +-.
    background_contrast, background_saturation: of the background's texture, 0 to 1. camouflage: how far objects take on the
    background's colours, 0 to 1. outline: how dark an object's edge is, 0 to 1.
    shutter: part of the time between frames over which motion blurs, 0 to 1. noise: standard deviation in grey levels.
    min_visible: pixels; an object of which fewer are visible counts as hidden.
    """

    size_hw: tuple[int, int] = (192, 320)
    num_frames: int = 24
    num_objects: tuple[int, int] = (3, 5)
    object_size: Range = (0.22, 0.36)
    speed: Range = (0.01, 0.035)
    spin: float = 0.06
    scale_change: float = 0.2
    lookalikes: float = 0.3
    crossings: float = 0.5
    exits: float = 0.25
    absence: Range = (2.0, 5.0)
    pillars: tuple[int, int] = (0, 1)
    pan: float = 0.08
    zoom: float = 0.06
    shake: float = 0.004
    lighting: float = 0.1
    colour_drift: float = 0.08
    background_contrast: float = 0.45
    background_saturation: float = 0.35
    camouflage: float = 0.1
    outline: float = 0.6
    shutter: float = 0.3
    noise: float = 4.0
    min_visible: int = 16

    def __post_init__(self) -> None:
        for field in fields(self):
            if problem := _problem(field.name, getattr(self, field.name)):
                raise UserError(f"synthetic video: {field.name} {problem}, got {getattr(self, field.name)!r}")

    @property
    def side(self) -> int:
        """The picture's shorter side in pixels."""
        return min(self.size_hw)


# What differs from the defaults above, which are `medium`.
_EASY: dict[str, Any] = {
    "num_objects": (2, 3),
    "object_size": (0.26, 0.38),
    "speed": (0.005, 0.02),
    "spin": 0.02,
    "scale_change": 0.06,
    "lookalikes": 0.0,
    "crossings": 0.0,
    "exits": 0.0,
    "pillars": (0, 0),
    "pan": 0.03,
    "zoom": 0.0,
    "shake": 0.0,
    "lighting": 0.0,
    "colour_drift": 0.0,
    "background_contrast": 0.2,
    "background_saturation": 0.15,
    "camouflage": 0.0,
    "outline": 0.8,
    "shutter": 0.0,
    "noise": 1.5,
}
_HARD: dict[str, Any] = {
    "num_objects": (5, 8),
    "object_size": (0.16, 0.36),
    "speed": (0.02, 0.06),
    "spin": 0.12,
    "scale_change": 0.4,
    "lookalikes": 0.6,
    "crossings": 0.8,
    "exits": 0.4,
    "absence": (4.0, 9.0),
    "pillars": (1, 2),
    "pan": 0.2,
    "zoom": 0.15,
    "shake": 0.015,
    "lighting": 0.2,
    "colour_drift": 0.2,
    "background_contrast": 0.6,
    "background_saturation": 0.5,
    "camouflage": 0.2,
    "outline": 0.4,
    "shutter": 0.6,
    "noise": 7.0,
}


def settings_of(difficulty: str | float = "medium", **changes: Any) -> SyntheticSettings:
    """Settings of a difficulty: easy (0), medium (0.5), hard (1) or a number between; `changes` replace single ones.

    Raises UserError for an unknown difficulty or setting, or a value that is not allowed.
    """
    level = LEVELS.get(str(difficulty), difficulty)
    if isinstance(level, str) or not 0 <= level <= 1:
        raise UserError(f"difficulty {difficulty!r}: expected {', '.join(LEVELS)} or a number from 0 to 1")
    known = [field.name for field in fields(SyntheticSettings)]
    if unknown := [name for name in changes if name not in known]:
        raise UserError(f"synthetic videos have no setting {unknown[0]!r}, only {', '.join(known)}")
    outer, share = (_EASY, 1 - 2 * level) if level < 0.5 else (_HARD, 2 * level - 1)
    return SyntheticSettings(**{**_mixed(outer, share), **changes})


def _mixed(outer: Mapping[str, Any], share: float) -> dict[str, Any]:
    """Medium settings, moved towards others by a share."""
    medium = SyntheticSettings()
    return {name: _between(getattr(medium, name), value, share) for name, value in outer.items()}


def _between(a: Any, b: Any, share: float) -> Any:
    """a at share 0, b at share 1; whole numbers stay whole."""
    if isinstance(a, tuple):
        return tuple(_between(x, y, share) for x, y in zip(a, b, strict=True))
    value = a + (b - a) * share
    return round(value) if isinstance(a, int) else value


# Least and greatest values; of others 0 and 3, or 1 for shares.
_AT_LEAST = {"size_hw": 16, "num_frames": 1, "min_visible": 1, "object_size": 0.01}
_AT_MOST = {
    "size_hw": 4096,
    "num_frames": 10**6,
    "min_visible": 10**6,
    "absence": 10**6,
    "num_objects": 100,
    "noise": 255,
}
_SHARES = (
    *("lookalikes", "crossings", "exits", "lighting", "colour_drift", "background_contrast", "background_saturation"),
    *("camouflage", "outline", "shutter"),
)
_WHOLE = ("size_hw", "num_frames", "num_objects", "pillars", "min_visible")
_PAIRS = ("size_hw", "num_objects", "object_size", "speed", "absence", "pillars")


def _problem(name: str, value: Any) -> str | None:
    """What is wrong with a setting's value, as the end of a sentence."""
    values = value if isinstance(value, tuple | list) else (value,)
    if len(values) != (2 if name in _PAIRS else 1) or (name in _PAIRS) != isinstance(value, tuple | list):
        return "must be two numbers" if name in _PAIRS else "must be one number"
    if any(isinstance(number, bool) or not isinstance(number, int if name in _WHOLE else int | float) for number in values):
        return f"must be {'whole ' if name in _WHOLE else ''}numbers"
    low, high = _AT_LEAST.get(name, 0), 1 if name in _SHARES else _AT_MOST.get(name, 3)
    if not all(low <= number <= high for number in values):
        return f"must be from {low} to {high}"
    if name in _PAIRS and name != "size_hw" and values[0] > values[1]:
        return "must be (low, high)"
    return None
