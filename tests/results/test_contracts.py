"""What every kind of result does: empty videos, nothing overwritten, going on from a mark, full disks, kills, damaged files."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from found_objects import CLASSES, HW, frame, instances, write

from queryinst_vis.errors import UserError
from queryinst_vis.results import FORMATS, KINDS, FullDiskError, Hints, ResultWriter, read_result, read_spool

HINTS = Hints(size=HW[::-1], classes=CLASSES)
SPOOLED = [kind for kind in KINDS if FORMATS[kind].document]
BOX_KINDS = ["json", "jsonl", "coco", "csv", "mot"]
MASK_KINDS = [kind for kind in KINDS if kind not in BOX_KINDS]


def content(path: Path) -> dict[str, bytes]:
    """Everything in a file or folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files if file.is_file()}


def fill(log: ResultWriter, indices: range) -> None:
    for index in indices:
        log.add(frame(index), instances([1, index % 3 + 2], label=index % 2))


def left_of(kind: str, path: Path) -> Path:
    """Where a run that was cut short has left its frames."""
    if kind in SPOOLED:
        return path.with_name(path.name + ".spool")
    return path if kind == "jsonl" else path.with_name(path.name + ".part")


def frames_left(kind: str, path: Path) -> list[int]:
    place = left_of(kind, path)
    result = read_spool(place) if kind in SPOOLED else read_result(place, kind=kind, hints=HINTS)
    return [record.index for record in result.frames]


@pytest.mark.parametrize("kind", KINDS)
def test_no_frame(kind: str, tmp_path: Path):
    with write(kind, tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    result = read_result(tmp_path / "out", kind=kind, hints=HINTS)
    assert (result.header.width, result.header.height) == HW[::-1]
    assert list(result.frames) == []


@pytest.mark.parametrize("kind", KINDS)
def test_frames_without_objects(kind: str, tmp_path: Path):
    with write(kind, tmp_path / "out") as log:
        for index in range(3):
            log.add(frame(index), instances([]))
    found = list(read_result(tmp_path / "out", kind=kind, hints=HINTS).frames)
    assert all(not record.objects for record in found)
    assert len(found) in (0, 3)


@pytest.mark.parametrize("kind", BOX_KINDS)
def test_boxes_without_masks(kind: str, tmp_path: Path):
    found = instances([3])
    found.masks = None
    with write(kind, tmp_path / "out") as log:
        log.add(frame(0), found)
    (record,) = read_result(tmp_path / "out", kind=kind, hints=HINTS).frames
    assert [(item.track_id, item.box, item.counts) for item in record.objects] == [(3, (0, 4, 4, 6), None)]


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_formats_of_masks_refuse_boxes_alone(kind: str, tmp_path: Path):
    found = instances([3])
    found.masks = None
    with pytest.raises(UserError, match=f"{kind} holds masks"), write(kind, tmp_path / "out") as log:
        log.add(frame(0), found)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_never_overwrites_unasked(kind: str, tmp_path: Path):
    with write(kind, tmp_path / "out") as log:
        fill(log, range(2))
    before = content(tmp_path / "out")
    with pytest.raises(UserError, match="exists; --overwrite replaces it"):
        write(kind, tmp_path / "out")
    assert content(tmp_path / "out") == before
    with write(kind, tmp_path / "out", overwrite=True) as log:
        fill(log, range(1))
    assert content(tmp_path / "out") != before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_run_has_left_is_not_overwritten_unasked(kind: str, tmp_path: Path):
    log = write(kind, tmp_path / "out")
    fill(log, range(3))
    log.suspend()
    before = content(tmp_path)
    with pytest.raises(UserError, match="overwrite"):
        write(kind, tmp_path / "out")
    assert content(tmp_path) == before
    with write(kind, tmp_path / "out", overwrite=True) as log:
        fill(log, range(1))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_other_things_is_not_replaced(kind: str, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(UserError, match=r"directory|holds other things"):
        write(kind, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "precious").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_folder_is_one_line(kind: str, tmp_path: Path):
    with pytest.raises(UserError, match="there is no folder"):
        write(kind, tmp_path / "nowhere" / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_folder_is_one_line(kind: str, tmp_path: Path):
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path  # permissions do not hold root back
    if folder == tmp_path:
        tmp_path.chmod(0o555)
    with pytest.raises(UserError, match=r"no permission|cannot write .*nothing was written") as told:
        write(kind, folder / "out")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_from_a_mark(kind: str, tmp_path: Path):
    """As an uninterrupted run, whatever came after the mark, and from the mark before the last too."""
    with write(kind, tmp_path / "whole") as log:
        fill(log, range(9))
    log = write(kind, tmp_path / "out")
    marks = []
    for begin in (0, 3, 6):
        fill(log, range(begin, begin + 3))
        marks.append(json.loads(json.dumps(log.mark())))
    log.add(frame(9), instances([77]))
    log.suspend()
    with write(kind, tmp_path / "out", resume=marks[1]) as log:
        assert log.num_frames == 6
        fill(log, range(6, 9))
    whole, out = content(tmp_path / "whole"), content(tmp_path / "out")
    assert list(whole.values()) == list(out.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


@pytest.mark.parametrize("kind", KINDS)
def test_after_an_exception_what_was_added_stays(kind: str, tmp_path: Path):
    with pytest.raises(KeyError), write(kind, tmp_path / "out") as log:  # noqa: PT012
        fill(log, range(4))
        raise KeyError
    (kept,) = tmp_path.iterdir()
    assert kept.name == ("out" if kind == "jsonl" else "out.part")
    assert len(list(read_result(kept, kind=kind, hints=HINTS).frames)) == 4


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """What a full disk is like: writing beyond fails."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("kind", KINDS)
def test_disk_full_while_writing(kind: str, tmp_path: Path):
    """One line, and what was complete can be read."""
    with pytest.raises(FullDiskError) as told, write(kind, tmp_path / "out") as log:  # noqa: PT012
        fill(log, range(20))
        with no_file_longer_than(60):
            log.add(frame(20), instances([1, 2, 3]))
    assert "its 20 frames are kept in" in str(told.value)
    assert str(left_of(kind, tmp_path / "out")) in str(told.value)
    assert "\n" not in str(told.value)
    assert frames_left(kind, tmp_path / "out") == list(range(20))


@pytest.mark.parametrize("kind", SPOOLED)
def test_disk_full_at_the_end(kind: str, tmp_path: Path):
    with pytest.raises(FullDiskError, match="20 frames are kept"), write(kind, tmp_path / "out") as log:  # noqa: PT012
        fill(log, range(20))
        with no_file_longer_than(60):
            log.close()
    assert frames_left(kind, tmp_path / "out") == list(range(20))


@pytest.mark.parametrize("kind", KINDS)
def test_disk_full_at_the_start(kind: str, tmp_path: Path):
    full = pytest.raises(FullDiskError, match="nothing was written")
    with full, no_file_longer_than(4), write(kind, tmp_path / "out") as log:
        fill(log, range(1))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk, which needs root")
def test_a_disk_that_is_really_full(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        for kind in KINDS:
            with pytest.raises(FullDiskError, match=r"No space left|disk is full") as told, write(kind, disk / "out") as log:
                fill(log, range(100_000))
            assert f"its {log.num_frames} frames are kept" in str(told.value)
            assert frames_left(kind, disk / "out") == list(range(log.num_frames))
            subprocess.run(f"rm -r {disk}/*", shell=True, check=True)
    finally:
        subprocess.run(["umount", disk], check=True)


ENDLESS = """
import sys
from itertools import count
from pathlib import Path
from found_objects import frame, instances, write
from queryinst_vis.results import KINDS
logs = [write(kind, Path(sys.argv[1]) / kind) for kind in KINDS]
for index in count():
    for log in logs:
        log.add(frame(index), instances([1, index % 3 + 2]))
    print(index, flush=True)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> tuple[Path, int]:
    """A folder in which a process wrote results of all kinds until it was killed, and the last frame that it had added to all."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "endless.py").write_text(ENDLESS)
    command = [sys.executable, str(folder / "endless.py"), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(repo_root / "tests")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for _ in range(40):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last = max([last, *map(int, process.stdout.read().split())])
    assert process.returncode == -signal.SIGKILL
    return folder, last


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_kill_every_frame_is_there(kind: str, killed: tuple[Path, int]):
    folder, last = killed
    found = frames_left(kind, folder / kind)
    assert found == list(range(len(found)))
    assert len(found) - 1 in (last, last + 1)


@pytest.mark.parametrize("kind", SPOOLED)
def test_a_spool_that_is_in_use_is_left_alone(kind: str, tmp_path: Path):
    with write(kind, tmp_path / "out") as log:
        fill(log, range(2))
        with pytest.raises(UserError, match="in use by another run"):
            write(kind, tmp_path / "out", overwrite=True)
        with pytest.raises(UserError, match="in use by another run"):
            read_spool(tmp_path / "out.spool")
        fill(log, range(2, 4))
    assert len(list(read_result(tmp_path / "out", kind=kind, hints=HINTS).frames)) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_use_after_closing_is_a_mistake(kind: str, tmp_path: Path):
    with write(kind, tmp_path / "out") as log:
        fill(log, range(1))
    with pytest.raises(ValueError, match="closed"):
        fill(log, range(1, 2))
    log.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [b"", b"\x00\xff", b"{}", b"[]", b"[[]]", b'{"type": 3}', b"1 2 3 4 5 6\n", b"1,2,3,4,5,6,7\n"])
def test_what_is_none_is_one_line_or_empty(kind: str, text: bytes, tmp_path: Path):
    path = tmp_path / "in"
    if kind == "png":
        path.mkdir()
        (path / "000.png").write_bytes(text)
    else:
        path.write_bytes(text)
    is_sound = (kind, text) in {("ytvis", b"[]"), ("mots", b""), ("mot", b""), ("mot", b"1,2,3,4,5,6,7\n")}
    with nullcontext() if is_sound else pytest.raises(UserError, match=rf"^[^\n]*{re.escape(str(path))}[^\n]*$"):
        found = list(read_result(path, kind=kind, hints=HINTS).frames)
        assert len(found) == text.count(b"\n")


def test_a_kind_that_does_not_exist(tmp_path: Path):
    with pytest.raises(UserError, match="no result is called 'xml'; there are: json, jsonl, "):
        write("xml", tmp_path / "out")
