"""`evaluate GT.json RESULTS`: average precision of tracks, and how well their identities hold (docs/evaluation.md)."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queryinst_vis import __version__
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file, write_whole

if TYPE_CHECKING:
    from queryinst_vis.evaluation.video_scores import VideoScores

_OWN, _OFFICIAL = "own", "youtube-vis-api"
_MIN_SCORE = 0.3
_SIZES = ("small", "medium", "large")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("annotations", type=Path, metavar="GT.json", help="annotated videos, YouTube-VIS JSON")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results.json, or the zip of a submission")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write all numbers here, in full precision")
    parser.add_argument("--per-class", action="store_true", help="show every category by itself too")
    parser.add_argument(
        "--min-score",
        type=float,
        default=_MIN_SCORE,
        metavar="X",
        help=f"identities are those of tracks that score at least X (default: {_MIN_SCORE})",
    )
    parser.add_argument(
        "--ignore-unmatched", action="store_true", help="leave out masks on nothing annotated (where bystanders are not)"
    )
    parser.add_argument("--no-identity", action="store_true", help="measure average precision only")
    parser.add_argument(
        "--backend", choices=(_OWN, _OFFICIAL), default=_OWN, help=f"what measures average precision (default: {_OWN})"
    )
    parser.add_argument(
        "--youtube-vis-api",
        type=Path,
        metavar="DIR",
        help=f"for --backend {_OFFICIAL}: a checkout of https://github.com/youtubevos/cocoapi",
    )


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.evaluation.identity import identity_metrics
    from queryinst_vis.evaluation.mask_tracks import drop_unannotated
    from queryinst_vis.evaluation.ytvis_ap import VideoAveragePrecision
    from queryinst_vis.evaluation.ytvis_results import read_results

    if (args.backend == _OFFICIAL) != (args.youtube_vis_api is not None):
        raise UserError(f"--backend {_OFFICIAL} and --youtube-vis-api DIR go together")
    if not 0 <= args.min_score <= 1:
        raise UserError(f"--min-score must be a number from 0 to 1, got {args.min_score:g}")
    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[args.annotations, args.results])
    measure = VideoAveragePrecision(args.annotations)
    results = read_results(args.results)
    scores = measure.measure(results, name=str(args.results))
    print(_facts(measure.content, results))
    if args.ignore_unmatched:
        results = drop_unannotated(measure.content, results)
        scores = measure.measure(results)
    if args.backend == _OFFICIAL:
        scores = _official_scores(args.youtube_vis_api, measure.content, results, scores)
    print(_precision_table(scores, per_class=args.per_class))
    identity = None
    if not args.no_identity:
        identity = identity_metrics(measure.content, results, min_score=args.min_score)
        print(f"\nidentities, of tracks with a score of at least {args.min_score:g}")
        print(_identity_table(identity))
    if args.json:
        report = _report(scores, args.backend, identity, args.min_score)
        write_whole({args.json: json.dumps(report, indent=1) + "\n"})
    return 0


def _official_scores(checkout: Path, content: Mapping[str, Any], results: Sequence[Any], own: "VideoScores") -> "VideoScores":
    from queryinst_vis.evaluation.ytvis_official import OfficialEvaluator

    scores = OfficialEvaluator(checkout).measure(content, results)
    differences = [abs(a - b) for a, b in zip(scores.summary().values(), own.summary().values(), strict=True)]
    print(f"measured by the official evaluator; this package's numbers differ by {max(differences):.1g} at most")
    return scores


def _facts(content: Mapping[str, Any], results: Sequence[Any]) -> str:
    videos, objects, categories = (len(content[key]) for key in ("videos", "annotations", "categories"))
    return f"{len(results)} results on {videos} videos with {objects} objects of {categories} categories\n"


def _precision_table(scores: "VideoScores", *, per_class: bool) -> str:
    """In percent; by size of the objects, and by category."""
    numbers = scores.summary()
    columns = ("AP", "AP50", "AP75", "AR1", "AR10", "AR100")
    rows = [["all", *(_percent(numbers[name]) for name in columns)]]
    for size in _SIZES:
        known = {"AP": numbers[f"AP_{size}"], "AR100": numbers[f"AR_{size}"]}
        rows.append([size, *(_percent(known[name]) if name in known else "" for name in columns)])
    for category, own in zip(scores.categories, scores.per_category().values(), strict=True) if per_class else ():
        rows.append([category["name"], *(_percent(own[name]) for name in columns)])
    return _table(["", *columns], rows)


def _identity_table(identity: Mapping[str, float]) -> str:
    """In percent, but for counts."""
    cells = {name: f"{100 * value:.2f}" for name, value in identity.items()}
    cells |= {name: f"{identity[name]:.0f}" for name in ("IDSW", "Frag")}
    cells["ids_per_object"] = f"{identity['ids_per_object']:.2f}" if identity["ids_per_object"] >= 0 else "-"
    return _table(list(cells), [list(cells.values())])


def _percent(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.2f}"  # -1: there is nothing to find


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left where it has no heading, for then it names the rows."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    places = ["<" if not column[0] else ">" for column in columns]
    lines = (
        [f"{cell:{place}{width}}" for cell, place, width in zip(row, places, widths, strict=True)] for row in (header, *rows)
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _report(scores: "VideoScores", backend: str, identity: Mapping[str, float] | None, min_score: float) -> dict[str, Any]:
    names = {category["id"]: category["name"] for category in scores.categories}
    per_category = {str(key): {"name": names[key], **numbers} for key, numbers in scores.per_category().items()}
    report = {
        "evaluator": f"queryinst-vis {__version__}" if backend == _OWN else backend,
        "metrics": scores.summary(),
        "AP_per_category": {key: numbers["AP"] for key, numbers in per_category.items()},
        "per_category": per_category,
    }
    return report if identity is None else {**report, "identity": {"min_score": min_score, **identity}}
