"""`queryinst-vis track` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["track", *sys.argv[1:]]))
