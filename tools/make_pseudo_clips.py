"""`queryinst-vis pseudo-clips` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["pseudo-clips", *sys.argv[1:]]))
