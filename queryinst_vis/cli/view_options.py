"""The options of test-time augmentation, the same for every command that has it."""

import argparse
from typing import TYPE_CHECKING

from queryinst_vis.cli.values import network_side
from queryinst_vis.errors import UserError

if TYPE_CHECKING:
    from queryinst_vis.models.base import ImageModel


def add_view_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("test-time augmentation")
    group.add_argument("--tta", action="store_true", help="look at each image twice, as it is and mirrored")
    group.add_argument(
        "--scales",
        nargs="+",
        type=network_side,
        metavar="S",
        help="short sides in pixels at which to do so instead of the model's own (after the other arguments)",
    )


def with_views(model: "ImageModel", args: argparse.Namespace) -> "ImageModel":
    """The model, behind test-time augmentation where the options ask for it."""
    if args.scales and not args.tta:
        raise UserError("--scales are those of test-time augmentation; add --tta")
    if not args.tta:
        return model
    from queryinst_vis.models.test_time import TestTimeAugmentation

    return TestTimeAugmentation(model, shorts=args.scales or ())
