"""The options on what to take of videos and what to write, the same for every command that tracks them."""

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

from queryinst_vis.cli.model_options import add_model_arguments
from queryinst_vis.cli.values import above_zero, positive, rate
from queryinst_vis.errors import UserError
from queryinst_vis.jobs.identity import file_facts
from queryinst_vis.models.region import Region
from queryinst_vis.results import KINDS
from queryinst_vis.video import Limits
from queryinst_vis.video.codecs import CODECS
from queryinst_vis.video.hardware import device_names
from queryinst_vis.video.selection import exact_seconds


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which frames")
    group.add_argument("--start", type=seconds, metavar="TIME", help="from this time on, e.g. 12.5 or 1:30")
    group.add_argument("--end", type=seconds, metavar="TIME", help="up to this time")
    group.add_argument("--stride", type=positive, default=1, metavar="N", help="every N-th frame only")
    group.add_argument("--max-frames", type=positive, metavar="N", help="stop after N frames")
    group.add_argument("--fps", type=rate, metavar="N", help="rate of pictures, e.g. 10 or 30000/1001 (default: 25)")
    group.add_argument("--roi", type=region, metavar="X,Y,W,H", help="look for objects only in this region, in pixels")
    group = parser.add_argument_group("reading")
    group.add_argument("--every-frame", action="store_true", help="of live sources; without it the newest, others are dropped")
    group.add_argument("--read-timeout", type=above_zero, metavar="S", help="seconds without data until a read fails")
    group.add_argument("--max-pixels", type=positive, metavar="N", help=f"of a picture (default: {Limits().max_pixels})")
    group.add_argument("--allow-playlists", action="store_true", help="accept lists (m3u8, mpd, ffconcat) that open other files")
    group.add_argument("--hwaccel", metavar="NAME", help=f"decode on a device of this kind if there is one: {_devices()}")
    group = parser.add_argument_group("how to write")
    group.add_argument("--codec", choices=tuple(CODECS), default="h264", help="of the annotated video (default: h264)")
    group.add_argument("--events", action="store_true", help="tell in JSON lines when tracks are born, lost, return and end")
    group.add_argument("--resume", action="store_true", help="after a stop or kill, go on with the same command")
    group.add_argument(
        "--segment-seconds",
        type=above_zero,
        default=10.0,
        metavar="S",
        help="video between two places to go on from (default: 10)",
    )
    group = parser.add_argument_group("tracker")
    group.add_argument(
        "--tracker", metavar="NAME", help="e.g. iou, masktrack, memory_bank or query_match (default: what suits the model)"
    )
    group.add_argument(
        "--batch", type=positive, metavar="N", help="frames that go through the model at once (default: what suits)"
    )
    add_model_arguments(parser)


def job_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What these options say, as fields of a `Job`."""
    names = ("start", "end", "stride", "max_frames", "fps", "codec", "events", "resume", "segment_seconds", "tracker")
    settings = {name: getattr(args, name) for name in names}
    settings |= {"batch_size": args.batch, "limits": _limits(args), "policy": "every" if args.every_frame else "newest"}
    return settings | {"region": args.roi, "classes": args.classes and tuple(args.classes), "model": model_facts(args)}


def _limits(args: argparse.Namespace) -> Limits | None:
    """None where nothing was said: every kind of source has its own then."""
    chosen = {name: getattr(args, name) for name in ("read_timeout", "max_pixels", "allow_playlists", "hwaccel")}
    chosen = {name: value for name, value in chosen.items() if value}
    return Limits(**chosen) if chosen else None


def _devices() -> str:
    return ", ".join(device_names()) or "none is known to this build of FFmpeg"


def model_facts(args: argparse.Namespace) -> dict[str, Any]:
    """What tells the model that the options ask for from others."""
    facts = {name: getattr(args, name) for name in ("model", "size", "score_threshold", "config", "precision")}
    files = {name: file_facts(facts[name]) for name in ("model", "config") if facts[name] and Path(facts[name]).is_file()}
    return facts | files


def result_of(text: str) -> tuple[str, str]:
    """KIND=PATH, for argparse."""
    kind, sign, path = text.partition("=")
    if not sign or kind not in KINDS or not path:
        raise argparse.ArgumentTypeError(f"expected KIND=PATH with a kind of {', '.join(KINDS)}, got '{text}'")
    return kind, path


def seconds(text: str) -> Fraction:
    """A time from 0 on, for argparse."""
    try:
        return exact_seconds(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def region(text: str) -> Region:
    """LEFT,TOP,WIDTH,HEIGHT in pixels, for argparse."""
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts) or not int(parts[2]) or not int(parts[3]):
        raise argparse.ArgumentTypeError(f"expected LEFT,TOP,WIDTH,HEIGHT in pixels, e.g. 100,50,640,360, got '{text}'")
    left, top, width, height = map(int, parts)
    return left, top, width, height
