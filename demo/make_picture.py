"""Makes docs/images/demo.jpg, the picture of the README: three moments of demo/clip_tracked.mp4, which `make demo` writes.

make demo && .venv/bin/python demo/make_picture.py
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from queryinst_vis import open_video

DEMO = Path(__file__).parent
GAP = 6  # white pixels between the moments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, default=DEMO / "clip_tracked.mp4")
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 3.4, 5.1], help="the moments shown")
    parser.add_argument("--output", type=Path, default=DEMO.parent / "docs" / "images" / "demo.jpg")
    args = parser.parse_args()

    moments, images = sorted(args.seconds), []
    with open_video(args.video) as video:
        for frame in video:
            if moments and frame.time >= moments[0]:
                images.append(np.pad(frame.image, ((0, 0), (0, GAP), (0, 0)), constant_values=255))
                moments.pop(0)
    strip = cv2.resize(np.hstack(images)[:, :-GAP], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.output), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"{args.output}: {args.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
