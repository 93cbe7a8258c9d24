"""The command `evaluate`."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from ytvis_sets import TABLE, TABLE_RESULTS, boxes

from queryinst_vis.cli.main import main
from queryinst_vis.evaluation.identity import identity_metrics

GOLDEN = Path(__file__).parents[1] / "golden" / "ytvis_eval"


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    """Annotations and results."""
    paths = (tmp_path / "gt.json", tmp_path / "results.json")
    for path, content in zip(paths, (TABLE, TABLE_RESULTS), strict=True):
        path.write_text(json.dumps(content))
    return str(paths[0]), str(paths[1])


def test_golden_numbers_in_full_precision(tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["evaluate", str(GOLDEN / "gt.json"), str(GOLDEN / "predictions.json"), "--json", str(out)]) == 0
    report, expected = json.loads(out.read_text()), json.loads((GOLDEN / "expected.json").read_text())
    assert report["metrics"] == pytest.approx(expected["metrics"], abs=1e-12)
    assert report["AP_per_category"] == pytest.approx(expected["AP_per_category"], abs=1e-12)
    assert {"metrics", "AP_per_category"} < set(report)
    text = capsys.readouterr().out
    assert "166 results on 8 videos with 28 objects of 4 categories" in text
    assert re.search(r"^all +23.26 +42.66 +19.42 +21.80 +40.37 +43.70$", text, re.MULTILINE)
    assert "class_1" not in text


def test_categories_one_by_one(files, tmp_path, capsys):
    main(["evaluate", *files, "--per-class", "--json", str(tmp_path / "out.json")])
    text = capsys.readouterr().out
    assert re.search(r"^class 1 +34.13 ", text, re.MULTILINE)
    assert re.search(r"^class 3 +- ", text, re.MULTILINE)  # of which there is none to find
    per_category = json.loads((tmp_path / "out.json").read_text())["per_category"]
    assert [row["name"] for row in per_category.values()] == ["class 1", "class 2", "class 3"]
    assert per_category["2"]["AP"] == pytest.approx(0.291914, abs=1e-6)


def test_identities(files, tmp_path, capsys):
    out = tmp_path / "out.json"
    main(["evaluate", *files, "--min-score", "0.6", "--json", str(out)])
    expected = identity_metrics(TABLE, TABLE_RESULTS, min_score=0.6)
    assert json.loads(out.read_text())["identity"] == {"min_score": 0.6, **expected}
    assert f"{100 * expected['HOTA']:.2f}" in capsys.readouterr().out
    main(["evaluate", *files, "--no-identity", "--json", str(out)])
    assert "identity" not in json.loads(out.read_text())
    assert "HOTA" not in capsys.readouterr().out


def test_a_submission(files, tmp_path, capsys):
    archive = tmp_path / "submission.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(files[1], "results.json")
    texts = []
    for results in (files[1], str(archive)):
        assert main(["evaluate", files[0], results]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_bystanders(files, tmp_path, capsys):
    extra = {**TABLE_RESULTS[0], "score": 1.0, "segmentations": boxes("-", "-", "300,200,320,240", "-")}
    Path(files[1]).write_text(json.dumps([*TABLE_RESULTS, extra]))
    precisions = []
    for options in ([], ["--ignore-unmatched"]):
        main(["evaluate", *files, *options, "--json", str(tmp_path / "out.json")])
        precisions.append(json.loads((tmp_path / "out.json").read_text())["metrics"]["AP"])
    assert precisions[0] < precisions[1]


@pytest.mark.parametrize("index", [0, 1])
def test_no_input_is_replaced(files, index, capsys):
    content = Path(files[index]).read_text()
    assert main(["evaluate", *files, "--json", files[index]]) == 2
    assert "is an input; name another output" in capsys.readouterr().err
    assert Path(files[index]).read_text() == content


@pytest.mark.parametrize("score", ["nan", "5", "-1"])
def test_a_score_that_none_has_is_refused(files, score, capsys):
    assert main(["evaluate", *files, f"--min-score={score}"]) == 2
    assert capsys.readouterr().err == f"error: --min-score must be a number from 0 to 1, got {score}\n"


def test_no_results(files, capsys):
    Path(files[1]).write_text("[]")
    assert main(["evaluate", *files]) == 0
    assert re.search(r"^all +0.00 ", capsys.readouterr().out, re.MULTILINE)


def test_official_evaluator(files, capsys, monkeypatch):
    """Asked for with its checkout, and compared with ours."""

    class Official:
        def __init__(self, checkout):
            assert checkout == Path("api")

        def measure(self, content, results):
            from queryinst_vis.evaluation.ytvis_ap import VideoAveragePrecision

            scores = VideoAveragePrecision(content).measure(results)
            scores.precision[0, 0] += 0.125
            return scores

    monkeypatch.setattr("queryinst_vis.evaluation.ytvis_official.OfficialEvaluator", Official)
    assert main(["evaluate", *files, "--backend", "youtube-vis-api", "--youtube-vis-api", "api", "--no-identity"]) == 0
    text = capsys.readouterr().out
    assert "measured by the official evaluator; this package's numbers differ by 0.06 at most" in text
    assert re.search(r"^all +37.91 ", text, re.MULTILINE)


def test_bad_input_is_one_line(files, tmp_path, capsys):
    annotations, results = files
    broken, empty = tmp_path / "broken.json", tmp_path / "valid.json"
    broken.write_text(json.dumps([{**TABLE_RESULTS[0], "video_id": 5}]))
    empty.write_text(json.dumps({**TABLE, "annotations": []}))
    for arguments, message in (
        ([annotations, str(broken)], "broken.json: entry 0: the annotations have no video_id 5"),
        ([str(empty), results], "valid.json: annotates no object, so nothing can be measured here"),
        ([annotations, "nowhere.json"], "nowhere.json: cannot be read"),
        ([annotations, results, "--backend", "youtube-vis-api"], "--youtube-vis-api DIR go together"),
        ([annotations, results, "--youtube-vis-api", "api"], "--youtube-vis-api DIR go together"),
        ([*files, "--backend", "youtube-vis-api", "--youtube-vis-api", str(tmp_path)], "git clone https://github.com/youtubevos"),
        ([annotations, results, "--json", str(tmp_path / "no" / "out.json")], "there is no folder"),
    ):
        assert main(["evaluate", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert message in error
