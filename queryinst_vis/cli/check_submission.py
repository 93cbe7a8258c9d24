"""`check-submission SUBMISSION.zip --videos VALID.json`: everything that a YouTube-VIS server would refuse, in one report."""

import argparse
import json
from pathlib import Path

REFUSED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submission", type=Path, metavar="SUBMISSION.zip", help="a zip with results.json in it")
    parser.add_argument(
        "--videos", type=Path, required=True, metavar="VALID.json", help="the file that lists the videos, as the data set has it"
    )
    parser.add_argument("--json", type=Path, metavar="REPORT.json", help="also write the report here")
    parser.add_argument("--examples", type=_whole, default=5, metavar="N", help="problems of each kind to show (default: 5)")


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0 when there is no error; 1 when there is one; 2 when nothing could be checked."""
    from queryinst_vis.data.ytvis_json import read_ytvis
    from queryinst_vis.outputs import check_new_file, write_whole
    from queryinst_vis.submission.checking import check_submission

    if args.json:
        check_new_file(args.json, overwrite=True, inputs=[args.submission, args.videos])
    report = check_submission(args.submission, read_ytvis(args.videos), num_examples=args.examples)
    if args.json:
        write_whole({args.json: json.dumps(report.to_dict(), indent=1) + "\n"})
    print(*report.lines(), f"{args.submission}: {report.summary()}", sep="\n")
    return REFUSED if report.num_errors else 0


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, got '{text}'")
    return int(text)
