"""`queryinst-vis evaluate` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["evaluate", *sys.argv[1:]]))
