"""Average precision of tracks: mmdetection's evaluator and ours, on the same generated videos, to the same numbers.

    python -m pip download mmdet==3.3.0 --no-deps && python benchmarks/ytvis_evaluation.py mmdet-3.3.0-py3-none-any.whl

Of mmdetection two files of its wheel are needed; it is not installed. Annotations are loaded before; results are read by both.
"""

import argparse
import copy
import sys
import tempfile
from pathlib import Path

from turns import medians, show

from queryinst_vis.evaluation.ytvis_ap import VideoAveragePrecision

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from ytvis_reference import MmdetEvaluator
from ytvis_sets import large_set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--objects", type=int, default=5)
    parser.add_argument("--results", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=7)
    args = parser.parse_args()
    content, results = large_set(num_videos=args.videos, num_objects=args.objects, num_results=args.results)
    runs = args.repeat + 3
    copies = iter([copy.deepcopy(results) for _ in range(runs)])  # mmdetection's changes what it is given
    measure = VideoAveragePrecision(content)
    with tempfile.TemporaryDirectory() as folder:
        evaluator = MmdetEvaluator(args.wheel, Path(folder))
        truths = iter([evaluator.truth(copy.deepcopy(content)) for _ in range(runs)])
        expected, found = evaluator.measure(next(truths), next(copies)), measure(results)
        worst = max(abs(expected[name] - found[name]) for name in expected)
        print(f"{args.videos} videos, {args.objects} objects and {args.results} results in each; numbers differ by {worst:.1g}")
        functions = {
            "mmdetection": lambda: evaluator.measure(next(truths), next(copies)),
            "ours": lambda: measure(results),
        }
        show(medians(functions, repeat=args.repeat), reference="mmdetection")


if __name__ == "__main__":
    main()
