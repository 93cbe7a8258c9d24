"""`queryinst-vis browse` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["browse", *sys.argv[1:]]))
