"""`queryinst-vis track-videos` from the clone."""

import sys

from queryinst_vis.cli.main import main

if __name__ == "__main__":  # workers import this file
    sys.exit(main(["track-videos", *sys.argv[1:]]))
