"""`convert SRC DST --to ours|mmdet|hustvl`: weights under the names of another code base (docs/checkpoints.md)."""

import argparse
from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from queryinst_vis.checkpoint import load_model, save_weights
from queryinst_vis.conversion import OUR_PARTS, WRITTEN, from_our_names, summary, to_our_names
from queryinst_vis.errors import UserError
from queryinst_vis.model_zoo import PUBLISHED, weights_path
from queryinst_vis.outputs import check_new_file
from queryinst_vis.safe_load import CheckpointError
from queryinst_vis.weights_file import WeightsFile, read_weights, write_checkpoint, write_weights

_OURS = "ours"
_ONLY_OURS = ("track_head.",)  # may be left out: the rest of the model does without


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="a weights file of any known code base, or a published name")
    parser.add_argument("output", type=Path, metavar="DST", help=".safetensors or .pth for ours, .pth for the others")
    parser.add_argument("--to", required=True, choices=(_OURS, *WRITTEN), help="whose names")
    parser.add_argument(
        "--config",
        metavar="CFG",
        help="config of the model in SRC: DST then describes itself and needs no config any more; runs its code",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def run(args: argparse.Namespace) -> int:
    _check_direction(args)
    path = weights_path(args.source)
    output = check_new_file(args.output, overwrite=args.overwrite, inputs=[path])
    file = read_weights(path)
    dialect, ours = to_our_names(file.tensors)
    kept = {name: tensor for name, tensor in ours.items() if name.startswith(OUR_PARTS)}
    if not kept:
        raise CheckpointError(f"{path}: its names are of no known code base: {summary(ours) or 'none'} (see docs/checkpoints.md)")
    print(f"{path.name}: {dialect} names, {len(file.tensors)} tensors")
    if absorbed := max(len(file.tensors) - len(ours), 0):
        print(f"  {absorbed} of them are folded into others, or follow from others and are not stored")
    _say_left_out(args.to, ours.keys() - kept.keys())
    if args.to == _OURS:
        _write_ours(output, args, file, kept)
    else:
        _write_theirs(output, args.to, file, kept)
    return 0


def _check_direction(args: argparse.Namespace) -> None:
    """UserError: a suffix or an option that does not go with it."""
    suffixes = (".safetensors", ".pth") if args.to == _OURS else (".pth",)
    if args.output.suffix not in suffixes:
        raise UserError(f"{args.output}: weights for {args.to} are written as {' or '.join(suffixes)}")
    if args.config and (args.to != _OURS or args.output.suffix != ".safetensors"):
        raise UserError("--config makes a file that describes itself, which goes with --to ours and a DST.safetensors")


def _write_ours(output: Path, args: argparse.Namespace, file: WeightsFile, tensors: dict[str, Tensor]) -> None:
    is_described = args.config or file.architecture or args.source in PUBLISHED
    if output.suffix == ".safetensors" and is_described:
        model = load_model(args.source, device="cpu", config=args.config)
        names = model.state_dict().keys()
        _say_left_out(args.to, tensors.keys() - names)
        save_weights(model, output)
        _say_written(output, len(names), "describes itself, opens without a config")
        return
    if output.suffix == ".safetensors":
        write_weights(output, {name: tensor.contiguous().clone() for name, tensor in tensors.items()}, None, file.info)
    else:
        write_checkpoint(output, tensors, file.info.classes)
    _say_written(output, len(tensors), "plain tensors, to be opened with the config of their model")


def _write_theirs(output: Path, dialect: str, file: WeightsFile, tensors: dict[str, Tensor]) -> None:
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(_ONLY_OURS)}
    _say_left_out(dialect, tensors.keys() - kept.keys())
    theirs = from_our_names(kept, dialect)
    write_checkpoint(output, theirs, file.info.classes)
    _say_written(output, len(theirs), f"{len(file.info.classes) or 'no'} class names")


def _say_left_out(target: str, names: Collection[str]) -> None:
    if names:
        print(f"  left out ({len(names)}), no place in {target}: {summary(sorted(names))}")


def _say_written(output: Path, count: int, remark: str) -> None:
    print(f"wrote {output}: {count} tensors, {output.stat().st_size / 1e6:.1f} MB; {remark}")
