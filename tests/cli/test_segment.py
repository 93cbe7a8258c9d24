"""The command `segment`: pictures in; drawn pictures and COCO JSON out."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from blobs import RED, BlobModel, disc_image, two_discs
from command_line import load_instead, names
from pycocotools.coco import COCO

from queryinst_vis.cli.main import main
from queryinst_vis.video.images import read_image, write_image


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and a model without weights."""
    load_instead(monkeypatch, BlobModel().eval())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_picture(here: Path, capsys: pytest.CaptureFixture[str]):
    write_image(here / "a.png", two_discs(0))
    assert main(["segment", "a.png"]) == 0
    assert names(here) == ["a.png", "a_segmented.json", "a_segmented.png"]
    assert (read_image(here / "a_segmented.png") != two_discs(0)).any()
    assert "1 of 1 pictures, 2 objects" in capsys.readouterr().out


def test_folder_with_a_bad_picture(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "in").mkdir()
    write_image(here / "in" / "a.png", two_discs(0))
    write_image(here / "in" / "b.jpg", disc_image((50, 40, 12, RED), hw=(80, 90)))
    write_image(here / "in" / "empty.png", disc_image())
    (here / "in" / "broken.jpg").write_text("no picture")
    (here / "in" / "notes.txt").write_text("no picture")
    assert main(["segment", "in"]) == 3
    assert "broken.jpg" in capsys.readouterr().err
    assert names(here / "in_segmented") == ["a.png", "b.jpg", "empty.png"]
    coco = COCO("in_segmented.json")
    assert [image["file_name"] for image in coco.imgs.values()] == ["a.png", "b.jpg", "empty.png"]
    assert len(coco.anns) == 3
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        assert mask.sum() == annotation["area"]
        assert annotation["score"] >= 0.5


def test_nothing_is_overwritten_unasked(here: Path, capsys: pytest.CaptureFixture[str]):
    write_image(here / "a.png", two_discs(0))
    assert main(["segment", "a.png"]) == 0
    assert main(["segment", "a.png"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["segment", "a.png", "--overwrite", "--classes", "red disc"]) == 0
    assert len(json.loads((here / "a_segmented.json").read_text())["annotations"]) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["missing.png"], "No such file"),
        (["empty"], "no picture in"),
        (["text.png"], "not a picture"),
        (["a.png", "--output", "a.xyz"], "should end in"),
        (["a.png", "--output", "a.png", "--overwrite"], "is the input"),
        (["a.png", "--classes", "red disk"], "did you mean 'red disc'"),
    ],
)
def test_mistakes_are_one_line(here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str):
    write_image(here / "a.png", two_discs(0))
    (here / "empty").mkdir()
    (here / "text.png").write_text("text")
    before = names(here)
    assert main(["segment", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert expected in line
    assert names(here) == before


def test_picture_of_a_format_that_cannot_be_written(here: Path):
    """`photo.jfif` was segmented for nothing: only then it was told that such a name cannot be written."""
    write_image(here / "a.jpg", two_discs(0))
    (here / "a.jpg").rename(here / "a.jfif")
    assert main(["segment", "a.jfif"]) == 0
    assert names(here) == ["a.jfif", "a_segmented.json", "a_segmented.png"]


def test_camera_orientation_is_followed(here: Path):
    """EXIF orientation 6: the camera was turned, the picture is shown rotated clockwise."""
    stored = disc_image((20, 20, 12, RED), hw=(60, 100))
    jpeg = cv2.imencode(".jpg", stored[..., ::-1])[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    exif = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    (here / "a.jpg").write_bytes(jpeg[:2] + exif + jpeg[2:])
    image = read_image(here / "a.jpg")
    assert image.shape == (100, 60, 3)
    assert np.abs(image.astype(int) - np.rot90(stored, -1)).mean() < 3
