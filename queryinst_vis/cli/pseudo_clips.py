"""`pseudo-clips ANNOTATIONS IMAGES OUT`: videos of a camera moving over annotated pictures, in YouTube-VIS's format."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import new_folder

if TYPE_CHECKING:
    from queryinst_vis.data.coco import CocoDataset
    from queryinst_vis.data.sample import Sample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("annotations", type=Path, metavar="ANNOTATIONS.json", help="COCO JSON with masks")
    parser.add_argument("images", type=Path, metavar="IMAGES", help="the folder its file names are relative to")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder to make: OUT/JPEGImages and OUT/instances.json")
    parser.add_argument("--frames", type=int, default=16, metavar="T", help="frames of each video (default: 16)")
    parser.add_argument("--max-images", type=int, metavar="N", help="so many pictures, drawn at random (default: all)")
    parser.add_argument(
        "--speed", type=float, default=0.1, help="of the camera; 1: up to what training pairs differ by (default: 0.1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pictures and of the motion (default: 0)")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs, 1 to 100 (default: 90)")
    parser.add_argument("--overwrite", action="store_true", help="replace a data set that is there already")


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from queryinst_vis.data.affine_motion import AffineMotion
    from queryinst_vis.data.coco import CocoDataset
    from queryinst_vis.data.coco_json import read_coco
    from queryinst_vis.data.pseudo_videos import film
    from queryinst_vis.data.ytvis_content import YtvisContent
    from queryinst_vis.data.ytvis_writer import ANNOTATIONS, YtvisWriter

    _check(args)
    categories = sorted(read_coco(args.annotations)["categories"], key=lambda category: category["id"])
    dataset = CocoDataset(args.annotations, args.images, classes=[category["name"] for category in categories], training=True)
    category_ids = [category["id"] for category in categories]
    total = min(args.max_images or len(dataset), len(dataset))
    info = {"description": f"queryinst-vis pseudo-clips of {args.annotations.name}", "seed": args.seed, "speed": args.speed}
    with new_folder(args.output, overwrite=args.overwrite, known_by=ANNOTATIONS) as folder:
        writer = YtvisWriter(folder, YtvisContent(categories, info), quality=args.quality)
        with progress_bar("videos", total) as advance:
            for sample in _usable(dataset, total, np.random.default_rng(args.seed).permutation(len(dataset)).tolist()):
                rng = np.random.default_rng((args.seed, sample.image_id))
                filmed = film(
                    sample, AffineMotion(), num_frames=args.frames, speed=args.speed, category_ids=category_ids, rng=rng
                )
                writer.add(f"{sample.image_id:012d}", *filmed)
                advance()
        if not writer.content.annotations:
            raise UserError(f"{args.annotations}: no picture all of whose objects have masks")
        writer.finish()
    print(f"{args.output}: {writer.content}")
    return 0


def _check(args: argparse.Namespace) -> None:
    allowed = {
        "--frames": args.frames >= 1,
        "--max-images": args.max_images is None or args.max_images >= 1,
        "--speed": 0 <= args.speed <= 10,
        "--seed": args.seed >= 0,
        "--quality": 1 <= args.quality <= 100,
    }
    if wrong := [name for name, fits in allowed.items() if not fits]:
        got = getattr(args, wrong[0].removeprefix("--").replace("-", "_"))
        raise UserError(f"{wrong[0]} {got}: expected --frames and --max-images from 1, --speed 0 to 10, --quality 1 to 100")


def _usable(dataset: "CocoDataset", count: int, order: list[int]) -> Iterator["Sample"]:
    """Up to `count` pictures whose objects all have masks, with track ids."""
    from queryinst_vis.data.pseudo_clips import numbered
    from queryinst_vis.data.pseudo_videos import is_usable

    for index in order:
        sample = dataset.load(index)
        if is_usable(sample.targets):
            yield numbered(sample)
            count -= 1
        if not count:
            return
