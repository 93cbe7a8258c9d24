"""`queryinst-vis convert` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["convert", *sys.argv[1:]]))
