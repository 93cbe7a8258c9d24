"""`convert-cityscapes ROOT OUT.json --split SPLIT`: Cityscapes' own annotations to COCO JSON (docs/cityscapes.md)."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file, write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, metavar="ROOT", help="the folder that holds gtFine/ and leftImg8bit/")
    parser.add_argument("output", type=Path, metavar="OUT.json", help="the COCO JSON to write")
    parser.add_argument(
        "--split", choices=("train", "val", "test"), required=True, help="of test, which nobody has annotations of, images only"
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=("polygons", "instance-ids"),
        help="*_gtFine_polygons.json or *_gtFine_instanceIds.png (default: the latter where there are any)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.json if it exists")


def run(args: argparse.Namespace) -> int:
    from queryinst_vis.data.cityscapes import ENDINGS, find_annotated, find_pictures, to_coco

    if args.split == "test" and args.source:
        raise UserError("--from is for train and val: the test split has no annotations")
    output = check_new_file(args.output, overwrite=args.overwrite)
    is_test = args.split == "test"
    split = find_pictures(args.root, args.split) if is_test else find_annotated(args.root, args.split, args.source)
    with progress_bar("images", len(split.images), unit="a second") as advance:
        content = to_coco(split, on_image=advance)
    write_whole({output: json.dumps(content) + "\n"})
    crowds = sum(annotation["iscrowd"] for annotation in content["annotations"])
    objects = "no annotations" if is_test else f"{len(content['annotations']) - crowds} objects and {crowds} groups"
    source = f", from *{ENDINGS[split.source]}" if split.source else ""
    print(f"{output}: {len(split.images)} images, {objects}{source}")
    _warn(split.missing, len(split.images), f"pictures are missing in {split.folder}")
    _warn(split.unannotated, len(split.images), "pictures have no annotations and were left out", more=True)
    return 0


def _warn(names: Sequence[str], total: int, text: str, *, more: bool = False) -> None:
    if names:
        count = f"{len(names)} more" if more else f"{len(names)} of {total}"
        print(f"{count} {text}; the first is {names[0]}")
