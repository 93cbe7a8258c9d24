"""`queryinst-vis clips` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["clips", *sys.argv[1:]]))
