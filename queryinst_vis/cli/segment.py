"""`segment IMAGE|DIR`: pictures with their objects drawn, and a COCO JSON of what was found."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np

from queryinst_vis.cli.model_options import add_model_arguments, load
from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.stopping import stop_on_signal
from queryinst_vis.cli.view_options import add_view_arguments, with_views
from queryinst_vis.detections import DetectionLog
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel
from queryinst_vis.outputs import check_new_file
from queryinst_vis.pipeline import labels_of, segment_frames
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.video.images import ImageError, can_write, check_output, image_paths, read_image, write_image
from queryinst_vis.visualization import draw_instances

DAMAGED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IMAGE|DIR", help="a picture, or a folder of pictures")
    parser.add_argument("--output", type=Path, metavar="OUT", help="picture or folder (default: NAME_segmented here)")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="detections (default: NAME_segmented.json here)")
    parser.add_argument("--overwrite", action="store_true", help="replace output files that exist")
    add_model_arguments(parser)
    add_view_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Segment pictures. Exit codes: 0; 3 when some cannot be read; 128 + signal when stopped."""
    paths = image_paths(args.input)
    output, json_path = _outputs(args)
    left_out: list[str] = []
    frames = _readable(paths, left_out)
    first = next(frames, None)
    if first is None:
        raise ImageError(left_out[0] if len(paths) == 1 else f"none of the {len(paths)} pictures in {args.input} can be decoded")
    model = with_views(load(args), args)
    labels = labels_of(args.classes, model.info.classes)
    if args.input.is_dir():
        output.mkdir(exist_ok=True)
    with (
        stop_on_signal() as stop,
        progress_bar(args.input.name, len(paths)) as advance,
        DetectionLog(json_path, classes=model.info.classes, overwrite=args.overwrite) as log,
    ):
        for name, picture, instances in _segmented(chain([first], frames), paths, model, labels):
            write_image(output / name if args.input.is_dir() else output, picture)
            log.add(name, instances)
            advance()
            if stop.signal is not None:
                break
    print(f"{log.num_images} of {len(paths)} pictures, {log.num_objects} objects\nwrote {output}\nwrote {json_path}")
    for problem in left_out:
        print(f"left out: {problem}", file=sys.stderr)
    return stop.exit_code or (DAMAGED if left_out else 0)


def _segmented(
    frames: Iterable[Frame], paths: list[Path], model: ImageModel, labels: list[int] | None
) -> Iterator[tuple[str, np.ndarray, Instances]]:
    """Name, drawn picture and instances of each."""
    info = model.info
    for frame, instances in segment_frames(frames, model, min_score=info.score_threshold, labels=labels):
        yield paths[frame.index].name, draw_instances(frame.image, instances, classes=info.classes), instances


def _outputs(args: argparse.Namespace) -> tuple[Path, Path]:
    """Where the picture or the folder of pictures goes, and the JSON; checked before any work."""
    name = args.input.resolve()
    if args.input.is_dir():
        output = args.output or Path(f"{name.name}_segmented")
        if output.exists() and not (output.is_dir() and args.overwrite):
            raise UserError(f"{output} exists; --overwrite replaces pictures in it")
    else:
        default = Path(f"{name.stem}_segmented{name.suffix if can_write(name) else '.png'}")
        output = check_output(args.output or default, overwrite=args.overwrite)
    if output.exists() and args.input.exists() and output.samefile(args.input):
        raise UserError(f"{output} is the input; name another output")
    stem = name.name if args.input.is_dir() else name.stem
    return output, check_new_file(args.json or Path(f"{stem}_segmented.json"), overwrite=args.overwrite)


def _readable(paths: list[Path], left_out: list[str]) -> Iterator[Frame]:
    """Pictures that can be read, as frames whose index is that of their path; one line in `left_out` for each other."""
    for index, path in enumerate(paths):
        try:
            yield Frame(read_image(path), index, index, Fraction(1))
        except ImageError as error:
            left_out.append(str(error))
