"""`queryinst-vis submit` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["submit", *sys.argv[1:]]))
