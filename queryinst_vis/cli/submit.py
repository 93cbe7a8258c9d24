"""`submit CONFIG WEIGHTS [key=value ...] --videos VALID.json --images DIR`: results of all videos in a zip for a server."""

import argparse
import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.stopping import Stop, stop_on_signal
from queryinst_vis.cli.video_model import VideoModel, add_video_model_arguments
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file

if TYPE_CHECKING:
    from queryinst_vis.data.json_tables import Rows
    from queryinst_vis.data.videos import VideoSample
    from queryinst_vis.evaluation.category_map import CategoryMap
    from queryinst_vis.models.base import ImageModel
    from queryinst_vis.submission.making import TrackedVideos
    from queryinst_vis.submission.parts import Parts

_DECISIVE = ("max_per_category", "classes_per_track", "common_classes", "super_categories")  # options that change what is written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s [CONFIG] WEIGHTS [key=value ...] --videos VALID.json --images DIR [options]"
    add_video_model_arguments(parser)
    parser.add_argument("--videos", type=Path, required=True, metavar="VALID.json", help="the file that lists the videos")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the folder its file names are relative to")
    parser.add_argument("--output", type=Path, default=Path("submission.zip"), help="default: submission.zip here")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    parser.add_argument("--max-per-category", type=_one_to_100, default=100, metavar="N", help="best tracks of a video and class")
    parser.add_argument(
        "--classes-per-track", type=_one_to_100, default=1, metavar="K", help="enter each track under its K likeliest classes"
    )
    parser.add_argument("--common-classes", action="store_true", help="leave out classes that VALID.json does not have")
    parser.add_argument(
        "--super-categories", action="store_true", help="a COCO class counts as its super-category: person, vehicle, animal, ..."
    )


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0; 2 when something has to be mended; 128 + signal when stopped. Finished videos are kept."""
    from queryinst_vis.data.videos import YtvisVideos
    from queryinst_vis.data.ytvis_json import read_ytvis
    from queryinst_vis.model_zoo import weights_path
    from queryinst_vis.submission.making import TrackedVideos, check_images, made_by
    from queryinst_vis.submission.parts import Parts

    wanted = VideoModel.of(args)
    content = read_ytvis(args.videos)
    settings = wanted.settings | {name: getattr(args, name) for name in _DECISIVE}
    made = made_by(weights_path(wanted.weights), settings, content)
    parts = Parts(args.output, made_by=made, video_ids=[video["id"] for video in content["videos"]])
    try:
        check_new_file(args.output, overwrite=args.overwrite)
    except UserError:
        if not parts.is_complete:
            raise
    if not parts.is_complete:  # before the folder is made: nothing is left of a command that cannot work
        model, tracker = wanted.load(_device(args.device))
        dataset = YtvisVideos(args.videos, args.images, fps=wanted.fps)
        videos = [dataset[index] for index in range(len(dataset))]
        check_images(videos)
        entries_of = TrackedVideos(
            model,
            tracker,
            _categories(args, model, content),
            max_per_category=args.max_per_category,
            classes_per_track=args.classes_per_track,
        )
        with parts, stop_on_signal() as stop:
            return _make(parts, videos, content, entries_of, stop)
    with parts:  # what a run left that was killed at the very end goes
        print(f"{args.output} is complete already, made from the same weights, settings and videos")
    return 0


def _make(
    parts: "Parts", videos: "list[VideoSample]", content: "dict[str, Rows]", entries_of: "TrackedVideos", stop: Stop
) -> int:
    from queryinst_vis.submission.making import Stopped, make_parts, write_submission

    rank, world_size = _processes()
    num_frames = sum(len(video) for index, video in enumerate(videos) if not parts.has(index))
    bar = progress_bar("frames", num_frames // world_size) if rank == 0 else nullcontext(lambda: None)
    with bar as advance:

        def on_frame() -> None:
            advance()
            if stop.signal is not None:
                raise Stopped

        try:
            make_parts(parts, videos, content, partial(entries_of, on_frame=on_frame), rank=rank, world_size=world_size)
        except Stopped:
            print(f"stopped; {parts.kept}", file=sys.stderr)
            return stop.exit_code
    report = write_submission(parts, content)
    if report is not None:
        print(*report.lines(), f"wrote {parts.output}: {report.summary()}", sep="\n")
    elif parts.is_complete:
        print(f"another process wrote {parts.output}")
    else:
        done = f"{parts.num_done} of {len(videos)} videos are done"
        print(f"{done}; other processes are at the rest, and the last one writes {parts.output}")
    return 0


def _categories(args: argparse.Namespace, model: "ImageModel", content: "dict[str, Rows]") -> "CategoryMap":
    """UserError: the videos' file lacks classes of the model, and nobody said that this is all right."""
    from queryinst_vis.evaluation.category_map import CategoryMap

    found = CategoryMap(model.info.classes, content["categories"], super_categories=args.super_categories)
    unknown = [name for name in model.info.classes if name not in found.classes]
    if unknown and not (args.common_classes or args.super_categories):
        some = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise UserError(
            f"{args.videos} has no category for {len(unknown)} of the model's {len(model.info.classes)} classes "
            f"({some}); --common-classes leaves them out"
        )
    return found


def _processes() -> tuple[int, int]:
    """Rank and number of processes, as torchrun says."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _device(name: str) -> str:
    """Under torchrun, each process of a machine its own GPU."""
    import torch

    if "LOCAL_RANK" in os.environ and name in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return name


def _one_to_100(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 100, got '{text}'")
    return int(text)
