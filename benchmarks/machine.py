"""What this machine can do at best: multiply-adds a second in a large convolution, bytes a second read from memory.

    python benchmarks/machine.py --threads 2

The floors in docs/performance.md are counted work (`queryinst-vis analyze`) divided by these.
"""

import argparse

import torch
from torch import nn
from turns import medians

from queryinst_vis.acceleration.onednn import PackedConv2d, available


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    channels, side = 256, 48
    work = 9 * channels**2 * side**2
    with torch.inference_mode():
        for dtype in filter(available, (torch.float32, torch.bfloat16)):
            conv = PackedConv2d(nn.Conv2d(channels, channels, 3, padding=1).to(dtype))
            x = torch.randn(1, channels, side, side).to(dtype, memory_format=torch.channels_last)
            (seconds,) = medians({"conv": lambda conv=conv, x=x: conv(x)}, repeat=args.repeat).values()
            print(f"{dtype}: {work / seconds / 1e9:.0f} G multiply-adds a second")
        numbers = torch.zeros(64 * 2**20)
        (seconds,) = medians({"sum": numbers.sum}, repeat=args.repeat).values()
        print(f"memory: {4 * len(numbers) / seconds / 1e9:.1f} GB a second read")


if __name__ == "__main__":
    main()
