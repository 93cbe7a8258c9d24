"""Another code base's names and ours as one table of rules that is read in both directions."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from torch import Tensor

from queryinst_vis.conversion.names import summary
from queryinst_vis.errors import UserError


class ConversionError(UserError):
    """Weights that another code base has no place for."""


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


class Rule(NamedTuple):
    """theirs, ours: names where `#` stands for a number and `*` for any rest, as often and in the same order on both sides.

    read: makes their values ours; write: the inverse.
    """

    theirs: str
    ours: str
    read: Callable[[Tensor], Tensor] = _unchanged
    write: Callable[[Tensor], Tensor] = _unchanged


def under(theirs: str, ours: str, names: Mapping[str, str]) -> list[Rule]:
    """Rules for names (theirs -> ours) that follow a prefix on both sides."""
    return [Rule(theirs + their_name, ours + our_name) for their_name, our_name in names.items()]


class Rules:
    """The first rule that fits a name translates it."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = list(rules)
        self._to_ours = [(_pattern(rule.theirs), _template(rule.ours), rule.read) for rule in rules]
        self._to_theirs = [(_pattern(rule.ours), _template(rule.theirs), rule.write) for rule in rules]

    def to_ours(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names that no rule knows stay as they are, with their tensors."""
        return dict(_translated(name, tensor, self._to_ours) or (name, tensor) for name, tensor in tensors.items())

    def to_theirs(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Raises ConversionError with the names that no rule knows."""
        translated = {name: _translated(name, tensor, self._to_theirs) for name, tensor in tensors.items()}
        if unknown := [name for name, pair in translated.items() if pair is None]:
            raise ConversionError(f"{len(unknown)} tensors have no place there: {summary(unknown)}")
        return dict(pair for pair in translated.values() if pair)


_Compiled = list[tuple[re.Pattern[str], str, Callable[[Tensor], Tensor]]]


def _translated(name: str, tensor: Tensor, rules: _Compiled) -> tuple[str, Tensor] | None:
    for pattern, template, change in rules:
        if match := pattern.fullmatch(name):
            return template.format(*match.groups()), change(tensor)
    return None


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\#", r"(\d+)").replace(r"\*", "(.+)"))


def _template(name: str) -> str:
    return re.sub(r"[#*]", "{}", name)
