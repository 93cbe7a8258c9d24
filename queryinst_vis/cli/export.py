"""`export WEIGHTS OUT`: weights as they are handed on, smaller and with what their user needs to know."""

import argparse
from pathlib import Path

from queryinst_vis.checkpoint import load_model, save_weights
from queryinst_vis.cli.values import probability
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="a weights file, or a published name")
    parser.add_argument("output", type=Path, metavar="OUT.safetensors")
    parser.add_argument("--config", metavar="CFG", help="config of weights that carry no architecture (.pth); runs its code")
    parser.add_argument("--half", action="store_true", help="store half-precision numbers")
    parser.add_argument(
        "--score-threshold", type=probability, metavar="X", help="the threshold the model is used with by default"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def run(args: argparse.Namespace) -> int:
    if args.output.suffix != ".safetensors":
        raise UserError(f"cannot write {args.output}: the name of weights must end in .safetensors")
    output = check_new_file(args.output, overwrite=args.overwrite)
    model = load_model(args.weights, device="cpu", config=args.config)
    if args.score_threshold is not None:
        model.info.score_threshold = args.score_threshold
    save_weights(model, output, half=args.half)
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
    return 0
