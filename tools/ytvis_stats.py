"""`queryinst-vis stats` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["stats", *sys.argv[1:]]))
