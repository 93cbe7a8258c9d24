"""What a check of a submission found: problems of one kind are counted, the first few of them kept."""

import reprlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


class Kinds(NamedTuple):
    """What can be wrong: kind -> what it means, in the order in which reports list them, and how a file is described in a line.

    A server refuses, or scores wrongly, what is an error. size: a text with places for the numbers in a report's `facts`.
    """

    errors: Mapping[str, str]
    warnings: Mapping[str, str]
    size: str


_ERRORS = {
    "not_a_zip": "not a zip",
    "damaged_zip": "the zip cannot be read",
    "no_results": "no results.json at the root of the zip",
    "other_files": "other files beside results.json",
    "not_json": "results.json is not JSON",
    "not_a_list": "results.json is not a list",
    "no_entries": "no entry at all",
    "not_an_object": "entries that are no objects",
    "missing_key": "entries without a key they need",
    "video_id": "unknown videos",
    "category_id": "unknown categories",
    "score": "scores that are no finite numbers",
    "not_a_number": "NaN or Infinity, which JSON does not have",
    "segmentations": "segmentations that are no lists",
    "length": "segmentations not as long as their video",
    "mask_type": "masks that are neither null nor a run-length code",
    "polygons": "masks given as polygons",
    "uncompressed": "masks as uncompressed codes",
    "mask_size": "masks not of their video's size",
    "mask_code": "codes that do not describe a picture of their size",
    "empty_mask": "masks without a pixel (null says that)",
    "all_null": "entries without any mask",
    "too_many": "more entries of a video and category than are looked at",
    "duplicate": "entries that are there twice",
}
_WARNINGS = {
    "other_keys": "keys that are not looked at",
    "no_entry": "videos without any entry",
    "compression": "unusual compression",
}
YTVIS = Kinds(_ERRORS, _WARNINGS, "{num_entries} entries with {num_masks} masks for {num_videos} videos")
_SOME = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """entry: position in the list, from 0; image_id or video_id: what it is for; video: id and name, for people; file, line (from
    1): of a submission that is a folder.

    None where it is about something larger.
    """

    kind: str
    text: str
    entry: int | None = None
    video_id: int | None = None
    video: str | None = None
    image_id: int | None = None
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        places = [f"entry {self.entry}"] if self.entry is not None else []
        places += [self.video] if self.video else []
        places += [f"image {self.image_id}"] if self.image_id is not None else []
        places += [self.file] if self.file else []
        places += [f"line {self.line}"] if self.line is not None else []
        return f"{', '.join(places)}: {self.text}" if places else self.text


class Report:
    """Problems by kind. kinds: those there are; num_examples: so many of each kind are kept in full."""

    def __init__(self, *, kinds: Kinds = YTVIS, num_examples: int = 5) -> None:
        self.kinds, self.num_examples = kinds, num_examples
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[Problem]] = defaultdict(list)
        self.facts: Counter[str] = Counter()  # numbers for the record: entries, masks, bytes, ...

    def add(self, problem: Problem) -> None:
        if problem.kind not in self.kinds.errors and problem.kind not in self.kinds.warnings:
            raise ValueError(f"no kind of problem is called {problem.kind!r}")
        self.counts[problem.kind] += 1
        if len(self.examples[problem.kind]) < self.num_examples:
            self.examples[problem.kind].append(problem)

    @property
    def num_errors(self) -> int:
        return sum(self.counts[kind] for kind in self.kinds.errors)

    @property
    def num_warnings(self) -> int:
        return sum(self.counts[kind] for kind in self.kinds.warnings)

    @property
    def first_error(self) -> Problem | None:
        """One to tell when there is room for one."""
        return next((self.examples[kind][0] for kind in self.kinds.errors if self.counts[kind]), None)

    def lines(self) -> Iterator[str]:
        """For people: each kind that occurred with its number, below it the first problems."""
        for severity, kinds in (("error", self.kinds.errors), ("warning", self.kinds.warnings)):
            for kind in (kind for kind in kinds if self.counts[kind]):
                yield f"{severity}: {kinds[kind]}: {self.counts[kind]}"
                yield from (f"    {problem}" for problem in self.examples[kind])
                if (more := self.counts[kind] - len(self.examples[kind])) > 0:
                    yield f"    and {more} more"

    def summary(self) -> str:
        """One line."""
        found = f"{self.num_errors} errors, {self.num_warnings} warnings" if self.counts else "no problem found"
        return f"{found}; {self.kinds.size.format_map(self.facts)}, {self.facts['bytes'] / 1e6:.1f} MB"

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        errors, meanings = self.kinds.errors, {**self.kinds.errors, **self.kinds.warnings}
        return {
            "ok": not self.num_errors,
            "num_errors": self.num_errors,
            "num_warnings": self.num_warnings,
            **self.facts,
            "problems": [
                {
                    "kind": kind,
                    "severity": "error" if kind in errors else "warning",
                    "meaning": meanings[kind],
                    "count": self.counts[kind],
                    "examples": [
                        {name: value for name, value in asdict(problem).items() if name != "kind" and value is not None}
                        for problem in self.examples[kind]
                    ],
                }
                for kind in meanings
                if self.counts[kind]
            ],
        }


def shown(value: Any) -> str:
    """A value from a file, in a few words however large it is."""
    return reprlib.repr(value)


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    return ", ".join(names[:_SOME]) + (f" and {len(names) - _SOME} more" if len(names) > _SOME else "")
