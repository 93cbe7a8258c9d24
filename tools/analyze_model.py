"""`queryinst-vis analyze` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["analyze", *sys.argv[1:]]))
