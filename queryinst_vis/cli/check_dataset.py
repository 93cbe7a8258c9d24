"""`check-dataset ROOT --dataset NAME`: what is missing or broken in a data set, and where it is expected."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.errors import UserError

if TYPE_CHECKING:
    from queryinst_vis.data.dataset_check import CheckReport

PROBLEMS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from queryinst_vis.data.dataset_table import PUBLIC_DATASETS

    parser.add_argument("root", type=Path, nargs="?", metavar="ROOT", help="the data set's folder (docs/datasets.md shows it)")
    parser.add_argument("--dataset", choices=sorted(PUBLIC_DATASETS), help="which public data set lies there")
    parser.add_argument("--splits", metavar="A,B", help="only these parts of it, e.g. train,valid")
    parser.add_argument("--annotations", type=Path, metavar="FILE.json", help="instead of ROOT: annotations of your own")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the folder that their file names are relative to")
    parser.add_argument("--full", action="store_true", help="open every image, too; by default only see whether it is there")


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0 when all is well; 1 when something is missing or wrong; 2 for arguments that do not fit."""
    if args.annotations or args.images:
        return _check_own(args)
    if not args.root or not args.dataset:
        raise UserError("name a ROOT and its --dataset, or --annotations and --images of your own")
    return _check_public(args)


def _check_own(args: argparse.Namespace) -> int:
    from queryinst_vis.data.dataset_check import check_files

    if args.root or args.dataset or args.splits or not (args.annotations and args.images):
        raise UserError("data of your own are checked with --annotations and --images, and without ROOT, --dataset and --splits")
    with progress_bar("images", None, unit="a second") as advance:
        report = check_files(args.annotations, args.images, decode=args.full, on_image=advance)
    return _print({"": report})


def _check_public(args: argparse.Namespace) -> int:
    from queryinst_vis.data.dataset_check import check_split
    from queryinst_vis.data.dataset_table import PUBLIC_DATASETS

    dataset = PUBLIC_DATASETS[args.dataset]
    if not args.root.is_dir():
        raise UserError(f"{args.root}: no such folder; {dataset.title} comes from {dataset.homepage}, see docs/datasets.md")
    names = [split.name for split in dataset.splits]
    chosen = args.splits.split(",") if args.splits else names
    for unknown in (name for name in chosen if name not in names):
        raise UserError(f"{dataset.title} has no split {unknown!r}, only {', '.join(names)}")
    splits = [split for split in dataset.splits if split.name in chosen]
    with progress_bar("images", None, unit="a second") as advance:
        reports = {s.name: check_split(args.root, dataset, s, decode=args.full, on_image=advance) for s in splits}
    return _print(reports)


def _print(reports: "Mapping[str, CheckReport]") -> int:
    """Facts and problems of each part, and a last line that counts."""
    for name, report in reports.items():
        title = f"{name}: " if name else ""
        for line in report.facts:
            print(f"{title}{line}")
        for line in report.problems:
            print(f"{title}PROBLEM: {line}")
    count = sum(len(report.problems) for report in reports.values())
    print(f"{count} problem{'s' * (count != 1)} found" if count else "everything is there")
    return PROBLEMS if count else 0
