"""`convert-mots FOLDER|ANNOTATIONS.json --output OUT`: MOTS text files to YouTube-VIS JSON, or the other way."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file, write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="FOLDER|ANNOTATIONS.json", help="a folder of SEQUENCE.txt files, or a JSON")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="OUT", help="the JSON, or a folder for a SEQUENCE.txt of each video"
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="SEQUENCE/ or SEQUENCE/img1/ in it hold the frames; without, SEQUENCE/000000.png and so on are assumed",
    )
    parser.add_argument(
        "--classes", type=_classes, metavar="ID=NAME,...", help="classes of the text files (default: 1=car,2=pedestrian)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace output files that exist")


def run(args: argparse.Namespace) -> int:
    if args.input.is_dir():
        return _to_json(args)
    if args.images or args.classes:
        raise UserError("--images and --classes are for a FOLDER of text files; a JSON says both itself")
    return _to_text(args)


def _to_json(args: argparse.Namespace) -> int:
    from queryinst_vis.data.mots import MOTS_CLASSES, mots_to_ytvis
    from queryinst_vis.data.mots_text import parse_mots

    output = check_new_file(args.output, overwrite=args.overwrite)
    paths = sorted(args.input.glob("*.txt"))
    if not paths:
        raise UserError(f"{args.input}: holds no text file of a sequence")
    sequences = {path.stem: parse_mots(_read(path), name=str(path)) for path in paths}
    file_names = {
        name: _file_names(args.images, name) if args.images else _assumed_names(name, [line.frame for line in lines])
        for name, lines in sequences.items()
    }
    content = mots_to_ytvis(sequences, file_names, classes=args.classes or MOTS_CLASSES)
    write_whole({output: json.dumps(content) + "\n"})
    print(f"{output}: {len(content['videos'])} videos, {len(content['annotations'])} annotations")
    return 0


def _to_text(args: argparse.Namespace) -> int:
    from queryinst_vis.data.json_tables import file_name_problem
    from queryinst_vis.data.mots import ytvis_to_mots
    from queryinst_vis.data.mots_text import num_overlapping
    from queryinst_vis.data.ytvis_json import read_ytvis

    sequences = ytvis_to_mots(read_ytvis(args.input), name=str(args.input))
    for name in sequences:
        if file_name_problem(name) or "/" in name:
            raise UserError(f"{args.input}: a file in {args.output} cannot be named after the video {name!r:.80}")
    args.output.mkdir(exist_ok=True)
    paths = {name: check_new_file(args.output / f"{name}.txt", overwrite=args.overwrite) for name in sequences}
    write_whole({paths[name]: "".join(f"{line}\n" for line in lines) for name, lines in sequences.items()})
    print(f"{args.output}: {len(sequences)} sequences, {sum(map(len, sequences.values()))} lines")
    for name, lines in sequences.items():
        if count := num_overlapping(lines):
            print(f"{name}: masks overlap in {count} frames, which MOTS's evaluation refuses")
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text file of MOTS: it holds bytes that are not ASCII") from None


def _file_names(folder: Path, name: str) -> dict[int, str]:
    """Frame number -> image relative to the folder."""
    from queryinst_vis.data.mots import frame_numbers
    from queryinst_vis.video.images import image_paths

    place = next((p for p in (folder / name / "img1", folder / name) if p.is_dir()), None)
    if place is None:
        raise UserError(f"{folder / name}: no such folder of images")
    names = [path.relative_to(folder).as_posix() for path in image_paths(place)]
    return dict(zip(frame_numbers(names), names, strict=True))


def _assumed_names(name: str, frames: Sequence[int]) -> dict[int, str]:
    """For frames counted from 0, or from 1 when no object is in frame 0."""
    if not frames:
        return {}
    return {frame: f"{name}/{frame:06d}.png" for frame in range(min(1, *frames), max(frames) + 1)}


def _classes(text: str) -> dict[int, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(class_id.isdecimal() and int(class_id) not in (0, 10) and name for class_id, _, name in pairs):
        raise argparse.ArgumentTypeError(f"expected ID=NAME,ID=NAME with ids other than 0 and 10, got '{text}'")
    return {int(class_id): name for class_id, _, name in pairs}
