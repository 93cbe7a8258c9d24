"""The command `clips` on a video of two discs."""

import json

import pytest
from blobs import two_discs, write_video

from queryinst_vis.cli.main import main

pytestmark = pytest.mark.usefixtures("model")


@pytest.fixture
def folder(tmp_path):
    """Clips with annotations."""
    write_video(tmp_path / "discs.mp4", [two_discs(i) for i in range(12)])
    boxes = {i: [10 + 3 * i, 20, 31 + 3 * i, 41] for i in (0, 5, 11)}
    frames = [{"index": i, "objects": [{"id": 1, "category": "red disc", "box": box}]} for i, box in boxes.items()]
    (tmp_path / "truth.json").write_text(json.dumps({"clips": {"discs.mp4": {"frames": frames}}}))
    return tmp_path


def test_scores_are_printed_and_written(folder, capsys):
    assert main(["clips", str(folder), "--json", str(folder / "scores.json")]) == 0
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["overall"] == scores["clips"]["discs.mp4"]
    assert scores["overall"]["recall_red disc"] == 1
    assert scores["overall"]["same_id"] == 1
    assert scores["overall"]["ids_per_object"] == 1
    header, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["discs.mp4", "all"]
    assert len({len(line) for line in [header, *rows]}) == 1


@pytest.mark.parametrize("tracker", ["iou", "query_match"])
def test_the_cache_changes_nothing_and_spares_the_model(folder, model, tracker):
    results = []
    for cache in ([], ["--cache", str(folder / "kept")], ["--cache", str(folder / "kept")]):
        before = model.images_seen
        main(["clips", str(folder), "--tracker", tracker, "--json", str(folder / "scores.json"), *cache])
        results.append(((folder / "scores.json").read_text(), model.images_seen - before))
    assert [text for text, _ in results] == [results[0][0]] * 3
    assert [count for _, count in results] == [12, 12, 0]


def test_bad_input_is_one_line(folder, capsys):
    assert main(["clips", str(folder / "nowhere")]) == 2
    assert main(["clips", str(folder), "--tracker", "queri_match"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "no readable clip annotations" in first
    assert "did you mean 'query_match'" in second
