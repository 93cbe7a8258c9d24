"""cityscapesScripts itself beside ours: numbers, submissions and instance images."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cityscapes_oracle import official_numbers, official_numbers_of
from cityscapes_sets import content_of, feed, random_polygons, random_set, results_of, write_raw

from queryinst_vis.data.cityscapes import find_annotated, to_coco
from queryinst_vis.data.classes import CITYSCAPES
from queryinst_vis.evaluation.cityscapes import CityscapesMetric
from queryinst_vis.evaluation.cityscapes_ap import evaluate_cityscapes

pytestmark = pytest.mark.slow  # installs a package


@pytest.fixture(scope="module", autouse=True)
def _cityscapesscripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """cityscapesScripts 2.3.0, installed for these tests alone: it asks for a dozen packages, of which they need one more."""
    folder = tmp_path_factory.mktemp("cityscapesscripts")
    packages = ("cityscapesscripts==2.3.0", "pyquaternion")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, *packages]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cityscapesScripts cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def difference(ours: dict[str, float], expected: dict[str, float]) -> float:
    """The largest; where there is no object, ours are -1 and theirs nan."""
    assert ours.keys() == expected.keys()
    assert all((ours[name] == -1) == np.isnan(value) for name, value in expected.items())
    return max(abs(ours[name] - value) for name, value in expected.items() if not np.isnan(value))


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_equals_the_official_numbers_on_random_sets(tmp_path: Path):
    compared, worst = 0, 0.0
    for seed in range(700):
        pictures = random_set(np.random.default_rng(seed))
        content = content_of(pictures)
        folder = tmp_path / str(seed)
        folder.mkdir()
        expected = official_numbers_of(pictures, folder)
        if expected is not None and not np.isnan(expected["AP"]):
            worst = max(worst, difference(evaluate_cityscapes(content, results_of(pictures)), expected))
            compared += 1
    print(f"{compared} sets, largest difference {worst:.1g}")
    assert compared > 500
    assert worst < 1e-12


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("seed", [3, 6, 12])
def test_a_submission_measures_the_same_there(tmp_path: Path, seed: int):
    pictures = random_set(np.random.default_rng(seed))
    write_raw(tmp_path, [ids for ids, _ in pictures])
    (tmp_path / "val.json").write_text(json.dumps(to_coco(find_annotated(tmp_path, "val"))))
    ours = feed(CityscapesMetric(tmp_path / "val.json", classes=CITYSCAPES, output=tmp_path / "out"), pictures)
    truth = sorted((tmp_path / "gtFine").rglob("*_instanceIds.png"))
    texts = sorted((tmp_path / "out").glob("*.txt"))
    expected = official_numbers(truth, texts, tmp_path / "out")
    assert expected is not None
    assert expected["AP"] > 0
    assert difference({name.removeprefix("cityscapes/"): value for name, value in ours.items()}, expected) < 1e-12


def test_polygons_are_drawn_as_there(tmp_path: Path):
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.json2instanceImg import createInstanceImage

    rng = np.random.default_rng(0)
    polygons, images = [random_polygons(rng) for _ in range(100)], []
    for content in polygons:
        annotation = Annotation()
        annotation.fromJsonText(json.dumps(content))
        images.append(np.array(createInstanceImage(annotation, "ids")))
    write_raw(tmp_path, images, polygons=polygons)
    contents = [to_coco(find_annotated(tmp_path, "val", source)) for source in ("polygons", "instance-ids")]
    assert contents[0] == contents[1]
    assert len(contents[0]["annotations"]) > 300
    assert {3, 7, 24, 26, 29000, 30} < set(np.unique(images).tolist())
