"""What damaged files once did, one test each: mended, and to stay so."""

import json
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz.inputs import HW
from fuzz.mutations import nested
from tiny_queryinst import change_architecture, tiny_model
from ytvis_files import polygon

from queryinst_vis.checkpoint import CheckpointError, load_model, save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.data.cityscapes_ids import draw_instance_ids
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.coco_json import check_coco, encode_mask
from queryinst_vis.data.image_file import read_image as read_annotated_image
from queryinst_vis.data.json_tables import DatasetError, read_json
from queryinst_vis.data.mots_text import parse_mots
from queryinst_vis.data.ytvis_json import check_ytvis
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.clips import load_truth
from queryinst_vis.evaluation.detection_cache import load_detections, save_detections
from queryinst_vis.evaluation.ytvis_results import read_results
from queryinst_vis.safe_load import load_safetensors
from queryinst_vis.video.images import ImageError, read_image

GIANT = 10**400  # no float holds it


def coco_of(**changes: Any) -> dict[str, Any]:
    """One image with one object. changes: of its annotation."""
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 15, 15], "segmentation": polygon(5, 5, 20, 20)}
    image = {"id": 1, "file_name": "picture.png", "width": HW[1], "height": HW[0]}
    return {"images": [image], "annotations": [annotation | changes], "categories": [{"id": 1, "name": "cat"}]}


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_box_of_numbers_that_no_float_holds(tmp_path: Path):
    with pytest.raises(DatasetError, match="bbox must be"):
        CocoDataset(written(tmp_path / "a.json", coco_of(bbox=[GIANT, 0, 5, 5])), tmp_path, classes=["cat"])


def test_polygon_without_three_points_is_no_mask():
    with pytest.raises(ValueError, match="three points"):
        encode_mask([[1, 2, 3, 4]], HW)


@pytest.mark.parametrize("number", [GIANT, -GIANT, 1e308, float("nan"), float("inf"), "x", None, [1]])
def test_polygon_of_numbers_that_cannot_be_drawn(number: Any):
    """The first two came as an OverflowError."""
    with pytest.raises(ValueError, match="made of numbers between"):
        encode_mask([[number, 2, 3, 4, 5, 6]], HW)


@pytest.mark.parametrize("counts", [[1 << 62] * 4 + [HW[0] * HW[1]], [0, 1 << 63, 1 << 63], [GIANT], [HW[0] * HW[1] + 1, -1]])
def test_runs_whose_sum_wraps_around_are_refused(counts: list[int]):
    with pytest.raises(ValueError, match=r"runs cover|whole numbers"):
        encode_mask({"size": list(HW), "counts": counts}, HW)


def test_cityscapes_polygon_of_numbers_that_no_float_holds(tmp_path: Path):
    content = {"imgWidth": 9, "imgHeight": 9, "objects": [{"label": "car", "polygon": [[0, GIANT], [5, 5], [5, 0]]}]}
    with pytest.raises(DatasetError, match="polygon must be"):
        draw_instance_ids(written(tmp_path / "a.json", content))


def test_cityscapes_image_of_a_terabyte_is_not_made(tmp_path: Path):
    content = {"imgWidth": 1_000_000, "imgHeight": 1_000_000, "objects": []}
    with pytest.raises(DatasetError, match="pixels exceed"):
        draw_instance_ids(written(tmp_path / "a.json", content))


@pytest.mark.parametrize(
    "clip",
    [3, {"frames": [{"index": 0, "objects": [], "ignore": 3}]}, {"frames": [{"index": -1, "objects": []}]}, {"frames": [[]]}]
    + [
        {"frames": [{"index": 0, "objects": [{"id": 1, "category": "dog", "box": box}]}]}
        for box in ([1, 2], [0, 0, GIANT, 1], "abcd")
    ],
)
def test_truth_of_clips_with_values_of_the_wrong_kind(tmp_path: Path, clip: Any):
    with pytest.raises(UserError, match="no readable clip annotations"):
        load_truth(written(tmp_path / "truth.json", {"clips": {"a.mp4": clip}}))


def test_truth_of_clips_that_is_a_list(tmp_path: Path):
    with pytest.raises(UserError):
        load_truth(written(tmp_path / "truth.json", {"clips": [1]}))


def test_zip_of_results_whose_bytes_are_damaged(tmp_path: Path):
    path = tmp_path / "results.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.json", json.dumps(list(range(500))))
    data = bytearray(path.read_bytes())
    data[45:80] = b"\xff" * 35  # within the packed data: zlib's own error
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_results(path)


def test_zip_of_results_that_unpacks_to_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "results.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.json", " " * 1_000_000 + "[]")
    assert read_results(path) == []
    monkeypatch.setenv("QUERYINST_VIS_MAX_UNPACKED_BYTES", "999999")
    with pytest.raises(DatasetError, match="QUERYINST_VIS_MAX_UNPACKED_BYTES"):
        read_results(path)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("damage", [b"\x80\xff", b"\x00" * 40, b"X"])
def test_damaged_cache_of_detections(tmp_path: Path, inputs: Path, place: float, damage: bytes):
    """torch's UnpicklingError, UnicodeDecodeError and others came through."""
    data = bytearray((inputs / "cache.detections").read_bytes())
    start = data.find(b"made_by") + int(place * 300)
    data[start : start + len(damage)] = damage
    path = tmp_path / "a.detections"
    path.write_bytes(data)
    with suppress(UserError):  # some damage does no harm
        list(load_detections(path, {"model": "blobs"}))


def test_cache_of_detections_with_other_content(tmp_path: Path):
    path = tmp_path / "a.detections"
    torch.save({"made_by": {}, "frames": [(0.0, {"boxes": 3, "masks": None})]}, path)
    with pytest.raises(UserError, match="delete it"):
        list(load_detections(path, {}))
    save_detections(path, {}, [])
    assert list(load_detections(path, {})) == []


def test_error_of_torch_with_a_trace_is_one_line(tmp_path: Path):
    """A size that does not fit 64 bits: torch's message ends in forty lines of C++ frames."""
    path = tmp_path / "model.safetensors"
    save_weights(tiny_model(), path)
    change_architecture(path, lambda architecture: architecture["queries"].update(num_queries=1 << 63))
    with pytest.raises(CheckpointError) as caught:
        load_model(path, device="cpu")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_safetensors_header_beyond_the_limit_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.safetensors"
    text = b'{"__metadata__":{"a":"' + b"x" * 1000 + b'"}}'
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    assert load_safetensors(path)[0] == {}
    monkeypatch.setenv("QUERYINST_VIS_MAX_HEADER_BYTES", "1000")
    with pytest.raises(CheckpointError, match="QUERYINST_VIS_MAX_HEADER_BYTES"):
        load_safetensors(path)


def test_zip_with_a_member_without_a_name(tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "submission.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "nothing")
        archive.writestr("results.json", "[]")
        archive.filelist[0].filename = ""  # in the table of contents
    assert main(["check-submission", str(path), "--videos", str(inputs / "videos.json")]) in (0, 1)
    assert "0 entries" in capsys.readouterr().out


def bomb(width: int, height: int) -> bytes:
    """A sound PNG of a few bytes whose header promises a picture of this size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(12_000, 12_000), (30_000, 30_000), (65_000, 65_000), (2**31 - 1, 2**31 - 1)])
def test_picture_bomb_is_not_decoded(tmp_path: Path, size: tuple[int, int]):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(*size))
    with pytest.raises(ImageError, match=r"QUERYINST_VIS_MAX_PIXELS|cannot be decoded"):
        read_image(path)
    with pytest.raises(DatasetError, match=r"QUERYINST_VIS_MAX_PIXELS|cannot be decoded"):
        read_annotated_image(path, size[::-1], where="image 1")


@pytest.mark.parametrize("side", [1 << 20, GIANT])
def test_annotated_picture_of_a_terabyte(side: int):
    content = coco_of()
    content["images"][0] |= {"width": side, "height": side}
    with pytest.raises(DatasetError, match="pixels exceed the limit"):
        check_coco(content, name="a.json")


@pytest.mark.parametrize("number", ["1048576", "9" * 5000, "1" * 400])
def test_mots_line_of_giant_numbers(number: str):
    with pytest.raises(DatasetError):
        parse_mots(f"0 1001 1 {number} {number} 0", name="a.txt")


def test_id_beyond_63_bits():
    content = coco_of(id=GIANT)
    with pytest.raises(DatasetError, match="at most 63"):
        check_coco(content, name="a.json")


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deeply_nested_json(tmp_path: Path, depth: int):
    path = written(tmp_path / "a.json", '{"images":' + "[" * depth + "]" * depth + "}")
    with pytest.raises(DatasetError):
        check_coco(read_json(path), name="a.json")


def test_deeply_nested_segmentation(tmp_path: Path):
    path = written(tmp_path / "a.json", coco_of(segmentation=[nested(300)] * 6))
    with pytest.raises(DatasetError):
        CocoDataset(path, tmp_path, classes=["cat"]).load(0)


def test_text_that_no_terminal_shows_is_printed_all_the_same(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]):
    content = coco_of()
    content["images"][0]["file_name"] = "\ud800.png"
    path = written(tmp_path / "a.json", content)
    assert main(["check-dataset", "--annotations", str(path), "--images", str(tmp_path)]) == 1
    assert b"ud800" in capsysbinary.readouterr().out


OUTSIDE = [
    "../secret.png",
    "/etc/secret.png",
    "a/../../secret.png",
    "..",
    "..\\secret.png",
    "a\\..\\b.png",
    "C:\\secret.png",
    "//host/a",
]
NO_NAMES = ["", "a\0.png", "\ud800.png", "x" * 10_000, f"a/{'ä' * 128}/b.png"]


@pytest.mark.parametrize("name", OUTSIDE + NO_NAMES)
def test_names_in_data_sets_cannot_leave_the_image_root(name: str):
    content = coco_of()
    content["images"][0]["file_name"] = name
    with pytest.raises(DatasetError, match=r"image 1: .* (leads out of the folder|is no name)"):
        check_coco(content, name="a.json")
    video = {"id": 1, "width": 9, "height": 9, "file_names": ["fine.png", name]}
    with pytest.raises(DatasetError, match=r"video 1 .*(leads out of the folder|is no name)"):
        check_ytvis({"videos": [video], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}, name="a.json")


@pytest.mark.parametrize("name", ["a.png", "a/b/c.png", "a..b.png", "...png", "a b.png", "ä.png", "-a.png"])
def test_names_inside_the_image_root_are_taken(name: str):
    content = coco_of()
    content["images"][0]["file_name"] = name
    assert check_coco(content, name="a.json")["images"]


def test_links_in_the_image_root_are_followed(tmp_path: Path, inputs: Path):
    """Who puts links there owns the folder; data sets are often made of them."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "picture.png").symlink_to(inputs / "picture.png")
    dataset = CocoDataset(written(tmp_path / "a.json", coco_of()), tmp_path / "images", classes=["cat"])
    assert dataset.load(0).image.shape == (3, *HW)


def test_names_of_clips_cannot_leave_their_folder(tmp_path: Path):
    with pytest.raises(UserError, match="leads out of the folder"):
        load_truth(written(tmp_path / "truth.json", {"clips": {"../secret.mp4": {"frames": []}}}))


@pytest.mark.parametrize("name", ["../outside", "a/b", "/tmp/outside"])
def test_names_of_videos_cannot_leave_the_output_of_convert_mots(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    """The video's name became the name of a file to write."""
    video = {"id": 1, "name": name, "width": 9, "height": 9, "file_names": ["000000.png"]}
    content = {"videos": [video], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
    path = written(tmp_path / "a.json", content)
    assert main(["convert-mots", str(path), "--output", str(tmp_path / "out")]) == 2
    assert "cannot be named after the video" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json"]
