"""cityscapesScripts' evaluation of objects, on instance images and a submission that are written out for it.

python -m pip install --no-deps --target FOLDER cityscapesscripts==2.3.0 pyquaternion
python tests/cityscapes_oracle.py FOLDER   writes tests/golden/cityscapes_ap.json
"""

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from cityscapes_sets import Picture, random_set

GOLDEN = Path(__file__).parent / "golden" / "cityscapes_ap.json"


def official_numbers(ground_truth: list[Path], texts: list[Path], root: Path) -> dict[str, float] | None:
    """AP and AP50, of all and of each class, nan where there is no object. None where the script stops with an error.

    ground_truth: instance images; texts: the result of each, somewhere in `root`.
    """
    vars(np).setdefault("in1d", np.isin)  # which numpy 2.4 has no longer; the script reshapes what it gets
    from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as script  # noqa: N813

    script.args.quiet = True
    script.args.predictionPath = str(root.resolve())
    script.setInstanceLabels(script.args)
    names = [str(path) for path in ground_truth]
    truth = script.instances2dict(names)
    matches = script.matchGtWithPreds([str(path) for path in texts], names, truth, script.args)
    try:
        with np.errstate(all="ignore"):
            scores = script.evaluateMatches(matches, script.args)
    except IndexError:  # all results of a class with objects are ignored
        return None
    averages = script.computeAverages(scores, script.args)
    numbers = {"AP": averages["allAp"], "AP50": averages["allAp50%"]}
    for name, own in averages["classes"].items():
        numbers |= {f"AP_class/{name}": own["ap"], f"AP50_class/{name}": own["ap50%"]}
    return {name: float(np.squeeze(value)) for name, value in numbers.items()}


def official_numbers_of(pictures: list[Picture], folder: Path) -> dict[str, float] | None:
    """The same for pictures in memory. folder: an empty one."""
    truth, texts = [], []
    for index, (ids, found) in enumerate(pictures):
        truth.append(folder / f"ulm_{index:06d}_000019_gtFine_instanceIds.png")
        texts.append(folder / f"ulm_{index:06d}_000019_pred.txt")
        cv2.imwrite(str(truth[-1]), ids.astype(np.uint16))
        lines = []
        for number, (label, score, mask) in enumerate(found):
            name = f"{index}_{number}.png"
            cv2.imwrite(str(folder / name), mask.astype(np.uint8))
            lines.append(f"{name} {label} {score!r}\n")
        texts[-1].write_text("".join(lines))
    return official_numbers(truth, texts, folder)


def _golden(seed: int) -> dict[str, float] | None:
    with tempfile.TemporaryDirectory() as folder:
        numbers = official_numbers_of(random_set(np.random.default_rng(seed)), Path(folder))
    return numbers and {name: value for name, value in numbers.items() if value == value}


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    expected = {seed: numbers for seed in range(100) if (numbers := _golden(seed))}  # of sets with objects, where it ends well
    GOLDEN.write_text(json.dumps(expected).replace("}, ", "},\n") + "\n")
