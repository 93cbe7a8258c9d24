"""Compare trackers on the same detections: every video is seen by the detector once, then every tracker gets what it found."""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queryinst_vis.cli.model_options import add_model_arguments
from queryinst_vis.cli.values import probability
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_folder, check_new_file, write_whole

if TYPE_CHECKING:
    from queryinst_vis.cli.compare_detections import Detections

_AP_THRESHOLD = 0.05
_FPS = 6.0  # YouTube-VIS lists every fifth frame of 30 a second
_STORED_MIN_SCORE = 0.02  # trackers carry a track on with weaker detections than a new one needs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("annotations", type=Path, metavar="GT.json", help="annotations in YouTube-VIS's form")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the folder its file names are relative to")
    parser.add_argument(
        "--simulate",
        nargs="*",
        metavar="LEVEL|SETTING=X",
        help="instead of a model (after GT.json): detections made of the annotations: easy, medium or hard, and settings",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the simulated detections (default: 0)")
    parser.add_argument(
        "--trackers", metavar="A,B", help="default: all; settings follow a name: masktrack:reference=True:overlap_weight=3"
    )
    parser.add_argument("--videos", metavar="A,B", help="only these, by name (the folder of their frames) or id")
    parser.add_argument("--fps", type=float, default=_FPS, metavar="X", help=f"of the listed frames (default: {_FPS:g})")
    parser.add_argument(
        "--super-categories", action="store_true", help="a COCO class counts as its super-category: person, vehicle, animal, ..."
    )
    parser.add_argument(
        "--ignore-unmatched", action="store_true", help="leave out masks on nothing annotated (where bystanders are not)"
    )
    parser.add_argument(
        "--ap-threshold",
        type=probability,
        default=_AP_THRESHOLD,
        metavar="X",
        help=f"--score-threshold of the AP columns (default: {_AP_THRESHOLD})",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the detections here for the next time")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write all measures, in full precision")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.cli.compare_detections import detections_of
    from queryinst_vis.cli.compare_table import format_table
    from queryinst_vis.cli.compare_trackers import Judge, contestants
    from queryinst_vis.cli.progress import progress_bar
    from queryinst_vis.data.ytvis_json import read_ytvis

    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[args.annotations])
    if not 0 < args.fps < float("inf"):
        raise UserError(f"--fps must be above 0, got {args.fps}")
    if args.seed < 0:
        raise UserError(f"--seed must be a whole number from 0, got {args.seed}")
    content = _chosen(read_ytvis(args.annotations), _words(args.videos), name=str(args.annotations))
    num_frames = sum(len(video["file_names"]) for video in content["videos"])
    with progress_bar("frames", num_frames) as advance, _folder(args.cache) as folder:
        detections = detections_of(args, content, on_frame=advance)
        rivals = contestants(_words(args.trackers), detections.info, ap_threshold=args.ap_threshold)
        min_score = min(_STORED_MIN_SCORE, *(rival.min_score for rival in rivals))
        for video in content["videos"]:
            frames = detections.stored(folder, video, min_score=min_score)
            for rival in rivals:
                rival.follow(frames, video, detections.categories, num_classes=len(detections.info.classes))
    judge = Judge(content, ignore_unmatched=args.ignore_unmatched)
    rows = {rival.name: judge.measures(rival) for rival in rivals}
    print(_title(args, detections, content, num_frames), format_table(rows, markdown=args.markdown), sep="\n\n")
    if args.json:
        report = _facts(args, detections, content, num_frames) | {"trackers": rows}
        write_whole({args.json: json.dumps(report, indent=1) + "\n"})
    return 0


def _title(args: argparse.Namespace, detections: "Detections", content: Mapping[str, Any], num_frames: int) -> str:
    videos = f"{count} videos" if (count := len(content["videos"])) > 1 else "one video"
    thresholds = f"score threshold {detections.info.score_threshold:g}, for AP {args.ap_threshold:g}"
    left_out = "; masks on nothing annotated are left out" if args.ignore_unmatched else ""
    return f"{detections.title} on {args.annotations.name}: {videos}, {num_frames} frames; {thresholds}{left_out}"


def _facts(args: argparse.Namespace, detections: "Detections", content: Mapping[str, Any], num_frames: int) -> dict[str, Any]:
    return {
        "detections": detections.title,
        "simulated": detections.is_simulated,
        "annotations": str(args.annotations),
        "videos": [video["id"] for video in content["videos"]],
        "num_frames": num_frames,
        "similarity": detections.info.similarity,
        "score_threshold": detections.info.score_threshold,
        "ap_threshold": args.ap_threshold,
        "ignore_unmatched": args.ignore_unmatched,
    }


def _chosen(content: dict[str, Any], names: Sequence[str] | None, *, name: str) -> dict[str, Any]:
    """The content with some videos only. UserError: nothing is annotated, or there is no such video."""
    from queryinst_vis.data.ytvis_json import video_name

    if not content["annotations"]:
        raise UserError(f"{name} has no annotations, so nothing can be measured on it")
    if names is None:
        return content
    ids = {called: video["id"] for video in content["videos"] for called in (str(video["id"]), video_name(video))}
    for unknown in (wanted for wanted in names if wanted not in ids):
        (nearest,) = get_close_matches(unknown, list(ids), n=1, cutoff=0.0)
        raise UserError(f"{name} has no video '{unknown}'; did you mean '{nearest}'?")
    kept = {ids[wanted] for wanted in names}
    return {
        **content,
        "videos": [video for video in content["videos"] if video["id"] in kept],
        "annotations": [annotation for annotation in content["annotations"] if annotation["video_id"] in kept],
    }


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word for word in text.split(",") if word]


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield check_folder(kept)
        return
    with tempfile.TemporaryDirectory(prefix="queryinst-vis-") as folder:
        yield Path(folder)
