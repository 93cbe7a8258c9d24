"""`check-submission SUBMISSION --videos VALID.json`: everything that a YouTube-VIS server would refuse, in one report; with
`--images TEST.json` of convert-cityscapes what Cityscapes' server would."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queryinst_vis.submission.report import Report

REFUSED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "submission",
        type=Path,
        metavar="SUBMISSION",
        help="a zip with results.json in it, or Cityscapes' folder of text files and masks",
    )
    contents = parser.add_mutually_exclusive_group(required=True)
    contents.add_argument(
        "--videos", type=Path, metavar="VALID.json", help="the file that lists the videos, as the data set has it"
    )
    contents.add_argument("--images", type=Path, metavar="TEST.json", help="Cityscapes' pictures, a file of convert-cityscapes")
    parser.add_argument("--json", type=Path, metavar="REPORT.json", help="also write the report here")
    parser.add_argument("--examples", type=_whole, default=5, metavar="N", help="problems of each kind to show (default: 5)")


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0 when there is no error; 1 when there is one; 2 when nothing could be checked."""
    from queryinst_vis.outputs import check_new_file, write_whole

    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[args.submission, args.videos or args.images])
    report = _check(args)
    if args.json:
        write_whole({args.json: json.dumps(report.to_dict(), indent=1) + "\n"})
    print(*report.lines(), f"{args.submission}: {report.summary()}", sep="\n")
    return REFUSED if report.num_errors else 0


def _check(args: argparse.Namespace) -> "Report":
    if args.images:
        from queryinst_vis.data.coco_json import read_coco
        from queryinst_vis.submission.cityscapes import check_cityscapes_results

        return check_cityscapes_results(args.submission, read_coco(args.images)["images"], num_examples=args.examples)
    from queryinst_vis.data.ytvis_json import read_ytvis
    from queryinst_vis.submission.checking import check_submission

    return check_submission(args.submission, read_ytvis(args.videos), num_examples=args.examples)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, got '{text}'")
    return int(text)
