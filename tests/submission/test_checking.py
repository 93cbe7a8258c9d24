"""Zips that a server would not take, and those it would."""

import json
import zipfile
from pathlib import Path

import pytest
from tiny_submission import entry, second_entry, write_zip

from queryinst_vis.submission.checking import check_submission

FINE = json.dumps([entry(), second_entry()])


def zip_in(folder: Path, members: dict, *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    return write_zip(folder / "submission.zip", members, compression=compression)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_that_is_fine(videos: dict, tmp_path: Path, compression: int):
    path = zip_in(tmp_path, {"results.json": FINE}, compression=compression)
    report = check_submission(path, videos)
    assert not report.counts
    assert report.first_error is None
    facts = {"bytes": path.stat().st_size, "unpacked_bytes": len(FINE), "num_videos": 2, "num_entries": 2, "num_masks": 3}
    assert report.facts == facts
    assert report.to_dict() == {"ok": True, "num_errors": 0, "num_warnings": 0, **facts, "problems": []}
    assert report.summary() == "no problem found; 2 entries with 3 masks for 2 videos, 0.0 MB"


@pytest.mark.parametrize(
    ("members", "problems"),
    [
        (
            {"out/results.json": FINE},
            {"no_results": "it lies in the folder out; zip the file alone: zip -j"},
        ),
        ({"out/": "", "out/results.json": FINE}, {"no_results": "it lies in the folder out"}),
        ({"out\\results.json": FINE}, {"no_results": "it lies in the folder out"}),
        ({"result.json": FINE}, {"no_results": "there is result.json, which must be called results.json"}),
        ({"Results.json": FINE}, {"no_results": "there is Results.json, which must"}),
        ({"a.json": FINE, "b.json": FINE}, {"no_results": "no file in it is called so", "other_files": "a.json, b.json"}),
        ({"readme.txt": "hello"}, {"no_results": "no file in it is called so", "other_files": "readme.txt"}),
        ({}, {"no_results": "no file in it is called so"}),
        ({"results.json": FINE, "__MACOSX/._results.json": ""}, {"other_files": "__MACOSX/._results.json"}),
        (
            {"__MACOSX/results.json": "", "x/results.json": FINE},
            {"no_results": "folder x;", "other_files": "__MACOSX/results.json"},
        ),
        ({"results.json": FINE, ".DS_Store": "", "old/": ""}, {"other_files": ".DS_Store, old/"}),
        ({"results.json": FINE, **{f"{n}.txt": "" for n in range(9)}}, {"other_files": "and 4 more"}),
        ({"results.json": ""}, {"not_a_list": "it is empty"}),
        ({"results.json": '{"results": []}'}, {"not_a_list": "it is an object"}),
        ({"results.json": "[]"}, {"no_entries": "the list is empty"}),
        ({"results.json": FINE[:-1]}, {"not_json": "(after 2 entries)"}),
        ({"results.json": b"\xef\xbb\xbf" + FINE.encode()}, {"not_json": "byte order mark"}),
        ({"results.json": FINE.encode("utf-16")}, {"not_json": "not UTF-8"}),
        ({"results.json": FINE.replace("0.25", "NaN")}, {"score": "is nan"}),
        ({"results.json": FINE.replace("0.25", "1e999")}, {"score": "is inf"}),
        ({"results.json": FINE.replace("0.25", '0.25, "area": Infinity')}, {"not_a_number": "Infinity", "other_keys": "'area'"}),
    ],
)
def test_what_is_wrong_is_named(videos: dict, tmp_path: Path, members: dict, problems: dict[str, str]):
    report = check_submission(zip_in(tmp_path, members), videos)
    assert set(report.counts) == set(problems)
    for kind, text in problems.items():
        assert text in report.examples[kind][0].text
    assert report.num_errors


def test_entries_of_a_misplaced_file_are_checked_too(videos: dict, tmp_path: Path):
    report = check_submission(zip_in(tmp_path, {"out/results.json": json.dumps([entry(score=None)])}), videos)
    assert set(report.counts) == {"no_results", "score", "no_entry"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_results_that_are_there_twice(videos: dict, tmp_path: Path):
    path = tmp_path / "submission.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("results.json", "[]")
        archive.writestr("results.json", FINE)
    report = check_submission(path, videos)
    assert set(report.counts) == {"other_files"}


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (b"", "not_a_zip", "empty"),
        (b"\x1f\x8b something", "not_a_zip", "something else"),
        (FINE.encode(), "not_a_zip", "zip submission.zip results.json"),
        (b" \n" + FINE.encode(), "not_a_zip", "zip submission.zip results.json"),
    ],
)
def test_no_zip(videos: dict, tmp_path: Path, content: bytes, kind: str, text: str):
    path = tmp_path / "submission.zip"
    path.write_bytes(content)
    report = check_submission(path, videos)
    assert set(report.counts) == {kind}
    assert text in report.first_error.text
    assert report.facts["num_entries"] == (2 if b"[" in content else 0)


def test_a_zip_that_was_cut_off(videos: dict, tmp_path: Path):
    path = zip_in(tmp_path, {"results.json": FINE})
    path.write_bytes(path.read_bytes()[:-30])
    assert "cut off" in check_submission(path, videos).examples["damaged_zip"][0].text


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_inside_a_zip(videos: dict, tmp_path: Path, compression: int):
    path = write_zip(
        tmp_path / "submission.zip",
        {"results.json": json.dumps([entry(score=n / 1000) for n in range(1000)])},
        compression=compression,
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = b"\xff" * 8
    path.write_bytes(data)
    assert {"damaged_zip", "not_json", "mask_code", "missing_key"} & set(check_submission(path, videos).counts)


def test_a_wrong_checksum(videos: dict, tmp_path: Path):
    path = zip_in(tmp_path, {"results.json": FINE}, compression=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b'"score": 0.25', b'"score": 0.26'))
    assert "CRC" in check_submission(path, videos).examples["damaged_zip"][0].text


@pytest.mark.parametrize("place", [0, 26, 32])
def test_a_damaged_head_of_a_member(videos: dict, tmp_path: Path, place: int):
    path = zip_in(tmp_path, {"results.json": FINE})
    data = bytearray(path.read_bytes())
    data[place] ^= 5
    path.write_bytes(data)
    assert "damaged_zip" in check_submission(path, videos).counts


def test_a_damaged_table_of_contents(videos: dict, tmp_path: Path):
    path = zip_in(tmp_path, {"results.json": FINE})
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x09\x09"))
    assert set(check_submission(path, videos).counts) == {"damaged_zip"}


def test_an_unknown_compression(videos: dict, tmp_path: Path):
    path = zip_in(tmp_path, {"results.json": FINE})
    data = bytearray(path.read_bytes())
    for head, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(head) + offset] = 97
    path.write_bytes(data)
    assert set(check_submission(path, videos).counts) == {"damaged_zip", "compression"}


def test_an_encrypted_zip(videos: dict, tmp_path: Path):
    path = zip_in(tmp_path, {"results.json": FINE})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in check_submission(path, videos).examples["damaged_zip"][0].text


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_a_warning(videos: dict, tmp_path: Path, compression: int):
    report = check_submission(zip_in(tmp_path, {"results.json": FINE}, compression=compression), videos)
    assert (dict(report.counts), report.num_errors) == ({"compression": 1}, 0)


def test_no_compression_of_a_large_file_is_a_warning(videos: dict, tmp_path: Path):
    text = FINE + " " * 11_000_000
    report = check_submission(zip_in(tmp_path, {"results.json": text}, compression=zipfile.ZIP_STORED), videos)
    assert (dict(report.counts), report.num_errors) == ({"compression": 1}, 0)


def test_no_such_file(videos: dict, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        check_submission(tmp_path / "submission.zip", videos)
