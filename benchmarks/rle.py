"""20 masks of a picture of 720p to run-length codes: pycocotools, faster-coco-eval, and ours.

    python benchmarks/rle.py

Masks come from a network as probabilities in boxes. Ours goes from these to runs; the peers encode dense bitmaps, which somebody
has to paste first. Both are timed: from probabilities, and from bitmaps (uint8 [H, W, N] in Fortran's order, the fastest that
they take), ours from bool [N, H, W].
"""

import argparse

import numpy as np
import torch
from pycocotools import mask as coco_mask
from turns import medians, show

from queryinst_vis.masks import BitMasks, RoiMasks
from queryinst_vis.ops.rle import encode_window


def probabilities(count: int, image_hw: tuple[int, int], size: float) -> RoiMasks:
    """Soft shapes with a wavy outline, 28 x 28, in boxes of about `size` of the picture's height."""
    rng = np.random.default_rng(0)
    height, width = image_hw
    centres = rng.uniform(0.1, 0.9, (count, 2)) * [width, height]
    sides = height * size * np.exp(rng.uniform(-0.7, 0.7, (count, 2)))
    y, x = (np.mgrid[:28, :28] - 13.5) / 14
    radius = 0.85 + 0.1 * np.sin(np.arctan2(y, x) * rng.integers(3, 9, (count, 1, 1)))
    shapes = 1 / (1 + np.exp(12 * (np.hypot(x, y) - radius)))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], 1)
    return RoiMasks(torch.from_numpy(shapes).float(), torch.from_numpy(boxes).float(), image_hw)


def masks_parser(description: str | None, *, repeat: int) -> argparse.ArgumentParser:
    """The options of every script that times masks: how many, the picture's size, theirs, turns."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=20)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--size", type=float, default=0.25, help="of a mask, in heights of the picture")
    parser.add_argument("--repeat", type=int, default=repeat)
    return parser


def main() -> None:
    from faster_coco_eval.core import mask as faster_mask  # only here: other scripts take `probabilities` from this one

    parser = masks_parser(__doc__, repeat=51)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    masks = probabilities(args.masks, (args.height, args.width), args.size)
    dense = np.asfortranarray(masks.bitmaps().numpy().astype(np.uint8).transpose(1, 2, 0))

    def new() -> RoiMasks:
        """Not pasted yet."""
        return masks.to("cpu")

    def pasted() -> np.ndarray:
        return np.asfortranarray(new().bitmaps().numpy().view(np.uint8).transpose(1, 2, 0))

    expected, bits, windows = coco_mask.encode(dense), BitMasks(masks.bitmaps()), list(masks.windows())
    assert masks.rles() == expected == faster_mask.encode(dense) == bits.rles()
    area = np.mean(dense.sum((0, 1)))
    print(f"{args.masks} masks of {area:.0f} pixels on average, {args.height} x {args.width}; the codes are equal")
    print("from probabilities:")
    from_network = {
        "pasted dense, pycocotools": lambda: coco_mask.encode(pasted()),
        "pasted dense, faster-coco-eval": lambda: faster_mask.encode(pasted()),
        "ours": lambda: new().rles(),
    }
    show(medians(from_network, repeat=args.repeat), reference="pasted dense, pycocotools")
    print("from bitmaps:")
    from_bitmaps = {
        "pycocotools": lambda: coco_mask.encode(dense),
        "faster-coco-eval": lambda: faster_mask.encode(dense),
        "ours": bits.rles,
        "ours, from windows": lambda: [encode_window(w.bitmap, w.top, w.left, bits.image_hw) for w in windows],
    }
    show(medians(from_bitmaps, repeat=args.repeat), reference="pycocotools")


if __name__ == "__main__":
    main()
