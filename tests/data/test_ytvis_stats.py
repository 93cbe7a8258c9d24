"""stats: counts of a file small enough to count by hand."""

import json

import pytest
from ytvis_files import compressed, polygon, runs, ytvis_content

from queryinst_vis.cli.main import main
from queryinst_vis.data.ytvis_json import check_ytvis
from queryinst_vis.data.ytvis_stats import ytvis_stats

SHOWN = polygon(5, 5, 15, 15)
ANNOTATIONS = [
    {"segmentations": [SHOWN, None, runs(5, 5, 15, 15), compressed(5, 5, 15, 15)]},  # comes back once
    {"segmentations": [None, SHOWN, runs(0, 0, 0, 0), None], "bboxes": [None, None, None, [1, 1, 9, 9]]},  # and as a box only
    {"segmentations": [SHOWN] * 4, "iscrowd": 1},
    {"segmentations": [None] * 4, "category_id": 7},
    {"video_id": 1, "segmentations": [SHOWN, SHOWN], "category_id": 7, "areas": [310 * 310, 200 * 200]},
]


def _stats(annotations=ANNOTATIONS):
    content = ytvis_content(annotations, videos=[("walk", 4), ("run", 2), ("none", 3)])
    return content, ytvis_stats(check_ytvis(content, name="x"), name="x")


def test_counts():
    _, stats = _stats()
    assert stats == {
        "videos": 3,
        "frames": 9,
        "objects": 4,
        "shown": 7,
        "boxes_only": 1,
        "nulls": 1 + 2 + 4,
        "returns": 2,
        "never_shown": 1,
        "crowd": 1,
        "video_length": {"min": 2, "median": 3, "mean": 3, "max": 4},
        "track_length": {"min": 2, "median": 2, "mean": 2.333, "max": 3},
        "objects_per_frame": {"0": 3, "1": 5, "2": 1},
        "objects_per_video": {"0": 1, "1": 1, "3": 1},
        "sizes": {"60x40": 3},
        "areas": {"small": 2, "medium": 0, "large": 1},  # (96100 + 40000) / 2 is large
        "categories": [
            {"id": 0, "name": "person", "videos": 1, "objects": 2, "shown": 5},
            {"id": 7, "name": "dog", "videos": 2, "objects": 2, "shown": 2},
            {"id": 40, "name": "car", "videos": 0, "objects": 0, "shown": 0},
        ],
    }


def test_no_annotations():
    _, stats = _stats([])
    assert (stats["objects"], stats["shown"], stats["track_length"]) == (0, 0, {})
    assert stats["objects_per_frame"] == {"0": 9}


@pytest.mark.parametrize("annotations", [ANNOTATIONS, []])
def test_command(tmp_path, capsys, annotations):
    content, stats = _stats(annotations)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert main(["stats", str(path), "--json", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text()) == stats
    lines = capsys.readouterr().out.splitlines()
    assert ["videos", "3"] in [line.split() for line in lines]
    assert any(line.split()[:2] == ["7", "dog"] for line in lines)


def test_the_input_is_not_replaced(tmp_path, capsys):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ytvis_content(ANNOTATIONS)))
    assert main(["stats", str(path), "--json", str(path)]) == 2
    assert "a.json is an input; name another output" in capsys.readouterr().err
    assert "videos" in json.loads(path.read_text())


def test_a_mask_that_does_not_fit_is_named(tmp_path, capsys):
    content = ytvis_content([{"segmentations": [None, None, compressed(1, 1, 9, 9, hw=(20, 20)), None]}])
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert main(["stats", str(path)]) == 2
    assert f"{path}: video 0 (walk): annotation 100, frame 2: its segmentation cannot be read" in capsys.readouterr().err


def test_real_file(shared_data, capsys):
    assert main(["stats", str(shared_data / "davis_vis.json")]) == 0
    assert "person         4        7              594" in capsys.readouterr().out
