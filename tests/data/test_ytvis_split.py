"""split: both sides keep what the file holds, by names or by a seed, and categories are on both sides."""

import json

import numpy as np
import pytest
from ytvis_files import CATEGORIES, polygon, ytvis_content

from queryinst_vis.cli.main import main
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import check_ytvis
from queryinst_vis.data.ytvis_split import one_sided_categories, split_by_name, split_by_share


def _content(num_videos, categories=None):
    """One frame per video; categories: of each object, as (video, category id)."""
    objects = [(video, CATEGORIES[video % 3]["id"]) for video in range(num_videos)] if categories is None else categories
    annotations = [{"video_id": v, "category_id": c, "segmentations": [polygon(1, 1, 9, 9)]} for v, c in objects]
    return ytvis_content(annotations, videos=[(f"v{number}", 1) for number in range(num_videos)])


def _ids(side, table="videos"):
    return [row["id"] for row in side[table]]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.99])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_nothing_is_lost_or_doubled(share, seed):
    content = _content(40) | {"info": {"year": 2019}, "licenses": []}
    train, val = split_by_share(content, share=share, seed=seed)
    for table in ("videos", "annotations"):
        assert sorted(_ids(train, table) + _ids(val, table)) == _ids(content, table)
    assert _ids(train) == sorted(_ids(train))  # in the file's order
    for side in (train, val):
        assert {annotation["video_id"] for annotation in side["annotations"]} == set(_ids(side))
        assert (side["info"], side["licenses"], side["categories"]) == ({"year": 2019}, [], CATEGORIES)
        check_ytvis(side, name="x")
    assert len(val["videos"]) == {0.01: 1, 0.99: 37}.get(share, round(40 * share))  # three stay, so that all categories train
    again = split_by_share(content, share=share, seed=seed)
    assert [_ids(side) for side in again] == [_ids(train), _ids(val)]


def test_seeds_cut_differently():
    assert len({tuple(_ids(split_by_share(_content(40), share=0.2, seed=seed)[1])) for seed in range(10)}) == 10


@pytest.mark.parametrize("seed", range(40))
def test_categories_of_two_videos_are_on_both_sides(seed):
    """Random data whose validation set has room for one video of each category."""
    rng = np.random.default_rng(seed)
    num_videos, categories = 60, [{"id": number, "name": f"c{number}"} for number in range(12)]
    weights = 1 / np.arange(1, 13) ** 2  # a few are in most videos, some in one
    objects = [(v, int(c)) for v in range(num_videos) for c in rng.choice(12, rng.integers(0, 4), p=weights / weights.sum())]
    content = _content(num_videos, objects) | {"categories": categories}
    train, val = split_by_share(content, share=0.2, seed=seed)
    assert len(val["videos"]) == 12
    videos = {c: {v for v, category in objects if category == c} for c in range(12)}
    only_train, only_val = one_sided_categories(train, val)
    assert only_val == []
    assert {f"c{c}" for c, held in videos.items() if len(held) == 1} == set(only_train)


def test_a_category_that_cannot_be_on_both_sides():
    """Its videos hold the only videos of others: those are needed for training."""
    content = _content(3, [(0, 0), (0, 7), (1, 0), (1, 40), (2, 0)])
    train, val = split_by_share(content, share=0.9, seed=0)
    assert (_ids(train), _ids(val)) == ([0, 1], [2])
    assert one_sided_categories(train, val) == (["car", "dog"], [])


@pytest.mark.parametrize("annotations", [None, []])
def test_videos_without_annotations(annotations):
    train, val = split_by_share(_content(10, []) | {"annotations": annotations}, share=0.3, seed=0)
    assert (len(train["videos"]), len(val["videos"])) == (7, 3)
    assert train["annotations"] == annotations


def test_by_name_or_id():
    train, val = split_by_name(_content(5), ["v3", "0"])
    assert (_ids(train), _ids(val)) == ([1, 2, 4], [0, 3])


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda: split_by_share(_content(5), share=0, seed=0), "a share of 0 of 5 videos cannot be cut off"),
        (lambda: split_by_share(_content(5), share=1, seed=0), "a share of 1 of 5"),
        (lambda: split_by_share(_content(1), share=0.5, seed=0), "of 1 videos"),
        (lambda: split_by_name(_content(9), ["v3", "w"]), "no video is called 'w'; the first ones are v0, v1, v2, v3, v4$"),
        (lambda: split_by_name(_content(2), ["v0", "v1"]), "all videos would be for validation"),
    ],
)
def test_cuts_that_make_no_sense(cut, message):
    with pytest.raises(DatasetError, match=message):
        cut()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps(_content(20)))
    return tmp_path / "train.json"


def test_command(path, capsys):
    assert main(["split", str(path), "--val-share", "0.2", "--seed", "3"]) == 0
    train, val = (json.loads((path.parent / f"{name}_split.json").read_text()) for name in ("train", "val"))
    assert (len(train["videos"]), len(val["videos"])) == (16, 4)
    assert capsys.readouterr().out == (
        f"{path.parent}/train_split.json: 16 videos, 16 objects\n{path.parent}/val_split.json: 4 videos, 4 objects\n"
    )
    assert sorted(p.name for p in path.parent.iterdir()) == ["train.json", "train_split.json", "val_split.json"]


def test_command_by_name(path, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(["split", str(path), "--val", "v3,v6", "--output", str(tmp_path / "out")]) == 0
    assert _ids(json.loads((tmp_path / "out/val_split.json").read_text())) == [3, 6]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--val", "v1", "--val-share", "0.1"], "give one of the two"),
        (["--val-share", "nan"], "a share of nan of 20 videos cannot be cut off"),
        (["--seed", "-1"], "--seed must be a whole number from 0"),
        (["--output", "nowhere"], "there is no folder nowhere"),
        (["--val", "w"], "no video is called 'w'"),
    ],
)
def test_mistakes_are_one_line(path, capsys, arguments, message):
    assert main(["split", str(path), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [p.name for p in path.parent.iterdir()] == ["train.json"]


def test_files_are_not_replaced_unasked(path, capsys):
    (path.parent / "val_split.json").write_text("mine")
    assert main(["split", str(path)]) == 2
    assert "val_split.json exists; --overwrite replaces it" in capsys.readouterr().err
    assert not (path.parent / "train_split.json").exists()
    assert main(["split", str(path), "--overwrite"]) == 0
    assert json.loads((path.parent / "val_split.json").read_text())["videos"]


def test_the_input_is_not_replaced(path, capsys):
    content = path.read_text()
    path = path.rename(path.parent / "train_split.json")
    assert main(["split", str(path), "--overwrite"]) == 2
    assert "train_split.json is an input; name another output" in capsys.readouterr().err
    assert path.read_text() == content


def test_a_bad_file_is_named(tmp_path, capsys):
    content = _content(4)
    content["videos"][2]["length"] = 5
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert main(["split", str(path)]) == 2
    assert f"{path}: video 2 (v2): its length is 5, but it has 1 file_names" in capsys.readouterr().err
