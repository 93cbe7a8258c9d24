"""The options that choose and load a model, the same for every command that runs one."""

import argparse

from queryinst_vis.acceleration import PRECISIONS, accelerate
from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.values import probability
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", default="default", metavar="NAME|PATH", help="a published name or a weights file")
    group.add_argument("--config", metavar="CFG", help="config of weights that carry no architecture (.pth); runs its code")
    group.add_argument("--size", type=int, metavar="S", help="short side in pixels the network works at (default: the model's)")
    group.add_argument("--score-threshold", type=probability, metavar="X", help="least score of an object (default: the model's)")
    group.add_argument("--classes", nargs="+", metavar="NAME", help="only objects of these classes (after the input)")
    group.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    add_precision_argument(group)
    add_compile_argument(group)


def add_precision_argument(group: "argparse._ActionsContainer") -> None:
    group.add_argument("--precision", default="fp32", choices=tuple(PRECISIONS), help="bf16 and fp16 where errors do not add up")


def add_compile_argument(group: "argparse._ActionsContainer") -> None:
    group.add_argument("--compile", action="store_true", help="compile the network (torch.compile), which takes minutes at first")


def load(args: argparse.Namespace) -> ImageModel:
    """The model the options ask for, ready to run fast, its threshold replaced where the user gave one. UserError: one line."""
    model = load_model(args.model, device=args.device, size=args.size, config=args.config)
    if not model.info.classes:
        raise UserError(f"{args.model} does not name its classes; give --config CFG with an `info` that does")
    if args.score_threshold is not None:
        model.info.score_threshold = args.score_threshold
    return accelerate(model, precision=args.precision, compile=args.compile)
