"""`split ANNOTATIONS.json`: cut a validation set from annotated videos, by a seed or by their names."""

import argparse
import json
from pathlib import Path
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file, write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("annotations", type=Path, metavar="ANNOTATIONS.json", help="YouTube-VIS JSON, e.g. train.json")
    parser.add_argument(
        "--val-share", type=float, metavar="SHARE", help="the part of the videos that validates (default: 0.1), drawn at random"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw: the same seed cuts the same way (default: 0)")
    parser.add_argument("--val", metavar="A,B", help="instead: names (folders of frames) or ids of the videos that validate")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where train_split.json and val_split.json go (default: beside the file)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace output files that exist")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.data.json_tables import read_json
    from queryinst_vis.data.ytvis_json import check_ytvis
    from queryinst_vis.data.ytvis_split import split_by_name, split_by_share

    if args.val is not None and args.val_share is not None:
        raise UserError("--val names the videos, --val-share draws them: give one of the two")
    if args.seed < 0:
        raise UserError(f"--seed must be a whole number from 0, got {args.seed}")
    folder = args.output or args.annotations.parent
    paths = [
        check_new_file(folder / f"{name}_split.json", overwrite=args.overwrite, inputs=[args.annotations])
        for name in ("train", "val")
    ]
    content = read_json(args.annotations)
    check_ytvis(content, name=str(args.annotations))
    if args.val is not None:
        sides = split_by_name(content, args.val.split(","))
    else:
        sides = split_by_share(content, share=0.1 if args.val_share is None else args.val_share, seed=args.seed)
    write_whole({path: json.dumps(side) + "\n" for path, side in zip(paths, sides, strict=True)})
    _print(paths, sides)
    return 0


def _print(paths: list[Path], sides: tuple[dict[str, Any], dict[str, Any]]) -> None:
    from queryinst_vis.data.ytvis_split import one_sided_categories

    for path, side in zip(paths, sides, strict=True):
        print(f"{path}: {len(side['videos'])} videos, {len(side.get('annotations') or [])} objects")
    for name, missing in zip(("training", "validation"), one_sided_categories(*sides), strict=True):
        if missing:
            print(f"only in {name}: {', '.join(missing)}")
