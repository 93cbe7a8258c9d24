"""From every kind to every other: what both hold stays as it was."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from found_objects import CLASSES, HW, INFO, frame, write

from queryinst_vis.masks import BitMasks
from queryinst_vis.results import FORMATS, KINDS, Hints, ReadResult, convert_result, read_result
from queryinst_vis.results.base import EVERYTHING, Part
from queryinst_vis.results.flat import flat_objects
from queryinst_vis.results.records import FrameRecord, Header, ObjectRecord
from queryinst_vis.structures import Instances

HINTS = Hints(size=HW[::-1], classes=CLASSES, fps=Fraction(25))
GAP = 5  # a frame without objects, in the middle


def found_in(index: int, generator: torch.Generator, *, classes_change: bool) -> Instances:
    """Overlapping blocks; objects come and go."""
    ids = [] if index == GAP else [number for number in (1, 2, 7, 103, 999) if (index + number) % 3]
    boxes = torch.rand((len(ids), 4), generator=generator) * 10
    boxes[:, 2:] += boxes[:, :2] + 4
    masks = torch.zeros((len(ids), *HW), dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    labels = torch.tensor([(number + index * classes_change) % 2 for number in ids], dtype=torch.int64)
    scores = torch.rand(len(ids), generator=generator)
    return Instances(HW, boxes, scores, labels, masks=BitMasks(masks), track_ids=torch.tensor(ids, dtype=torch.int64))


@pytest.fixture(scope="module", params=[False, True], ids=["classes stay", "classes change"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of every kind, all of the same."""
    folder = tmp_path_factory.mktemp("results")
    for kind in KINDS:
        generator = torch.Generator().manual_seed(0)
        with write(kind, folder / kind, info=replace(INFO, fps=Fraction(30000, 1001))) as log:
            for index in range(12):
                log.add(frame(index), found_in(index, generator, classes_change=request.param))
    return folder


def read(path: Path, kind: str) -> tuple[ReadResult, list[FrameRecord]]:
    result = read_result(path, kind=kind, hints=HINTS)
    frames = list(result.frames)
    assert not result.problems
    return result, frames


def common(result: Header, frames: list[FrameRecord], holds: frozenset[Part]) -> object:
    """What a result says on the given parts, to be compared."""
    facts = (result.video_name, result.fps, result.duration) if Part.FACTS in holds else None
    classes = result.classes if Part.CLASSES in holds else None
    if Part.FRAME_CATEGORIES not in holds:
        frames = with_one_label(frames)
    rows = []
    for record in frames:
        flat = Part.MASKS in holds and Part.OVERLAPS not in holds
        objects = flat_objects(record.objects, HW) if flat else record.objects
        if objects or Part.EMPTY_FRAMES in holds:
            has_time = Part.TIMES in holds and (objects or Part.EMPTY_TIMES in holds)
            rows.append((record.index, record.time if has_time else None, sorted(values(item, holds) for item in objects)))
    return facts, classes, rows


def with_one_label(frames: list[FrameRecord]) -> list[FrameRecord]:
    """Every object of the label with the highest sum of scores, as the formats say that have one for a track."""
    sums: dict[int, dict[int, float]] = {}
    for item in (item for record in frames for item in record.objects):
        of_track = sums.setdefault(item.track_id, {})
        of_track[item.label] = of_track.get(item.label, 0.0) + item.score
    best = {track: max(scores, key=lambda label: scores[label]) for track, scores in sums.items()}
    return [replace(r, objects=[item._replace(label=best[item.track_id]) for item in r.objects]) for r in frames]


def values(item: ObjectRecord, holds: frozenset[Part]) -> tuple:
    return (
        item.track_id if Part.IDS in holds else 0,
        item.label if Part.CATEGORIES in holds else 0,
        item.score if Part.SCORES in holds else 0.0,
        item.box if Part.BOXES in holds else (),
        item.counts if Part.MASKS in holds else "",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_what_it_wrote(kind: str, folder: Path):
    truth, frames = read(folder / "jsonl", "jsonl")
    result, found = read(folder / kind, kind)
    assert len(frames) == 12
    assert common(result.header, found, FORMATS[kind].holds) == common(truth.header, frames, FORMATS[kind].holds)


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_what_both_hold_stays(source: str, target: str, folder: Path, tmp_path: Path):
    before, frames = read(folder / source, source)
    if FORMATS[target].kind in ("ytvis", "mots", "png") and Part.MASKS not in before.holds:
        with pytest.raises(ValueError, match="holds masks, and there are none"):
            convert_result(folder / source, tmp_path / "out", kind=source, to=target, hints=HINTS)
        return
    done = convert_result(folder / source, tmp_path / "out", kind=source, to=target, hints=HINTS)
    assert done.problems == []
    assert set(done.lost) == before.holds - FORMATS[target].holds
    after, found = read(tmp_path / "out", target)
    both = before.holds & after.holds
    assert common(after.header, found, both) == common(before.header, frames, both)


@pytest.mark.parametrize("kind", KINDS)
def test_to_its_own_kind_nothing_changes(kind: str, folder: Path, tmp_path: Path):
    """Byte for byte, but for the areas of masks in a table, which holds no masks."""
    convert_result(folder / kind, tmp_path / kind, kind=kind, to=kind, hints=HINTS)
    pairs = [(folder / kind, tmp_path / kind)]
    if (folder / kind).is_dir():
        pairs = [(file, tmp_path / kind / file.name) for file in (folder / kind).iterdir()]
    for old, new in pairs:
        texts = [file.read_bytes() for file in (old, new)]
        if kind == "csv":
            texts = [[line.rpartition(b",")[0] for line in text.splitlines()] for text in texts]
        assert texts[1] == texts[0], old.name


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_found_out(kind: str, folder: Path):
    assert read_result(folder / kind, hints=HINTS).kind == kind


def test_only_one_kind_holds_everything_but_all_parts_are_used():
    assert FORMATS["jsonl"].holds == EVERYTHING
    assert frozenset.union(*(item.holds for item in FORMATS.values() if item.kind != "jsonl")) == EVERYTHING
