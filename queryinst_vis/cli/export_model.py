"""`export-model WEIGHTS OUT`: a model as an ONNX or torch.export file, which `track --model OUT` runs and other programs too."""

import argparse
from pathlib import Path

from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.values import network_side, probability
from queryinst_vis.errors import UserError
from queryinst_vis.exporting import FORMATS, SUFFIXES, export_model
from queryinst_vis.outputs import check_new_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="a weights file or a published name; default: the model inside")
    parser.add_argument("output", type=Path, metavar="OUT", help="a file that ends in .onnx or .pt2")
    parser.add_argument("--to", choices=tuple(FORMATS), help="what to write (default: by the suffix of OUT)")
    parser.add_argument("--config", metavar="CFG", help="config of weights that carry no architecture (.pth); runs its code")
    parser.add_argument(
        "--size", type=network_side, nargs=2, metavar=("H", "W"), help="the network takes this size alone (default: any size)"
    )
    parser.add_argument(
        "--batch", type=_batch, default=1, metavar="N|dynamic", help="pictures at a time, or any number of them (default: 1)"
    )
    parser.add_argument(
        "--score-threshold", type=probability, metavar="X", help="the threshold the model is used with by default"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def run(args: argparse.Namespace) -> int:
    kind = args.to or next((kind for kind, suffix in FORMATS.items() if args.output.suffix == suffix), None)
    if kind is None or args.output.suffix != FORMATS[kind]:
        wanted = FORMATS[kind] if kind else " or ".join(SUFFIXES)
        raise UserError(f"cannot write {args.output}: its name must end in {wanted}")
    if Path(args.weights).suffix in SUFFIXES:
        raise UserError(f"{args.weights} is an exported model; export from its weights")
    output = check_new_file(args.output, overwrite=args.overwrite)
    model = load_model(args.weights, device="cpu", config=args.config)
    if args.score_threshold is not None:
        model.info.score_threshold = args.score_threshold
    export_model(model, output, to=kind, input_hw=tuple(args.size) if args.size else None, batch=args.batch)
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB); track with it: queryinst-vis track IN.mp4 --model {output}")
    return 0


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of pictures from 1 on, or dynamic, got '{text}'")
    return int(text)
