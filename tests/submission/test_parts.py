"""The folder of finished videos, alone and shared with other processes."""

import multiprocessing
import os
import signal
import zipfile
from pathlib import Path

import pytest

from queryinst_vis.errors import UserError
from queryinst_vis.submission.claims import Claims
from queryinst_vis.submission.parts import Parts

MADE_BY = {"weights": "a", "settings": "b", "videos": "c"}
SPAWN = multiprocessing.get_context("spawn")


def parts_of(folder: Path, **changes: str) -> Parts:
    return Parts(folder / "out.zip", made_by=MADE_BY | changes, video_ids=[3, 0, 12])


def finish(parts: Parts) -> None:
    with zipfile.ZipFile(parts.output, "w") as archive:
        archive.comment = parts.comment


def test_entries_come_back(tmp_path: Path):
    with parts_of(tmp_path) as parts:
        assert parts.num_done == 0
        parts.write(1, [{"score": 0.1}])
        assert parts.read(1) == [{"score": 0.1}]
    with parts_of(tmp_path) as parts:
        assert [parts.has(index) for index in range(3)] == [False, True, False]
        assert not parts.claim(1)
        assert parts.claim(2)
    assert sorted(path.name for path in parts.folder.iterdir()) == ["0.json", "claims", "made_by.json"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"weights": "x"}, "(other weights)"), ({"settings": "x", "videos": "y"}, "(other settings and videos)")],
)
def test_parts_of_something_else_are_not_touched(tmp_path: Path, changes: dict[str, str], text: str):
    with parts_of(tmp_path) as parts:
        parts.write(0, [])
    with pytest.raises(UserError) as caught, parts_of(tmp_path, **changes):
        pass
    assert text in str(caught.value)
    assert "delete that folder" in str(caught.value)
    with parts_of(tmp_path) as parts:
        assert parts.num_done == 1


def test_parts_that_another_run_took_over(tmp_path: Path):
    """Nothing was done yet, so the other could; what we do now must not get in among its videos."""
    with parts_of(tmp_path) as parts, parts_of(tmp_path, weights="x") as others:
        others.write(0, [])
        with pytest.raises(UserError, match="in use by another run"):
            parts.write(1, [])


@pytest.mark.parametrize("text", [None, "", "[1]", "null", "{", "3"])
def test_a_folder_of_unknown_origin(tmp_path: Path, text: str | None):
    folder = tmp_path / "out.zip.parts"
    folder.mkdir()
    if text is not None:
        (folder / "made_by.json").write_text(text)
    (folder / "77.json").write_text("[]")
    with pytest.raises(UserError, match="another run"), parts_of(tmp_path):
        pass


def test_damaged_entries_are_named(tmp_path: Path):
    with parts_of(tmp_path) as parts:
        (parts.folder / "3.json").write_text("[{")
        with pytest.raises(UserError, match=r"3\.json is damaged"):
            parts.read(0)


def test_numbers_that_json_does_not_have_are_never_written(tmp_path: Path):
    with parts_of(tmp_path) as parts, pytest.raises(ValueError, match="Out of range"):
        parts.write(0, [{"score": float("nan")}])
    assert parts.num_done == 0


def test_the_end(tmp_path: Path):
    with parts_of(tmp_path) as parts:
        for index in range(3):
            with parts.ending() as is_on_us:
                assert not is_on_us
            parts.write(index, [])
        with parts.ending() as is_on_us:
            assert is_on_us
            finish(parts)
        assert parts.is_complete
        with parts.ending() as is_on_us:
            assert not is_on_us
    assert not parts.folder.exists()
    with parts_of(tmp_path) as parts:
        assert parts.is_complete
        assert not parts.claim(0)
    assert not parts_of(tmp_path, weights="x").is_complete
    assert os.listdir(tmp_path) == ["out.zip"]


def test_what_a_killed_run_left_beside_its_zip(tmp_path: Path):
    """It goes, but not the videos of another run."""
    with parts_of(tmp_path) as parts:
        parts.write(0, [])
    finish(parts)
    with parts_of(tmp_path):
        pass
    assert not parts.folder.exists()
    with parts_of(tmp_path, weights="x") as others:
        others.write(0, [])
    with parts_of(tmp_path):
        pass
    assert others.num_done == 1


def test_a_process_that_comes_when_all_is_done(tmp_path: Path):
    """It made the folder a moment after it was removed."""
    with parts_of(tmp_path) as early:
        pass
    late = parts_of(tmp_path)
    with late:
        finish(early)
        (late.folder / "made_by.json").unlink()
    assert not late.folder.exists()


def test_a_kill_while_the_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The rest was taken for videos of whoever came next."""
    with parts_of(tmp_path) as parts:
        parts.write(0, [])
        parts.write(1, [])
        finish(parts)
        unlink = Path.unlink

        def killed(path: Path, **options: bool) -> None:
            unlink(path, **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            parts._remove()
        monkeypatch.undo()
        assert (parts.folder / "made_by.json").exists()
    assert not parts.folder.exists()


def test_another_zip_is_not_complete(tmp_path: Path):
    parts = parts_of(tmp_path)
    for content in (b"", b"PK\x03\x04 no zip"):
        parts.output.write_bytes(content)
        assert not parts.is_complete


def hold(folder: Path, ready: object, numbers: list[int]) -> None:
    """Another process that takes numbers, says so and waits to be killed."""
    claims = Claims(folder / "claims")
    ready.put([claims.take(number) for number in numbers])  # type: ignore[attr-defined]
    signal.pause()


def test_claims_exclude_other_processes_and_end_with_them(tmp_path: Path):
    ready = SPAWN.SimpleQueue()
    with Claims(tmp_path / "claims") as claims:
        assert claims.take(1)
        other = SPAWN.Process(target=hold, args=(tmp_path, ready, [0, 1, 5]))
        other.start()
        assert ready.get() == [True, False, True]
        assert [claims.take(number) for number in (0, 1, 2, 5)] == [False, True, True, False]
        other.kill()
        other.join()
        with claims.held(0):
            assert claims.take(5)
        claims.give_back(5)


def test_without_locks_everybody_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("queryinst_vis.submission.claims._lock", refuse)
    monkeypatch.setattr("queryinst_vis.submission.claims._unlock", refuse)
    with Claims(tmp_path / "claims") as claims, claims.held(0):
        assert claims.take(3)
        claims.give_back(3)
