"""`queryinst-vis check-dataset` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["check-dataset", *sys.argv[1:]]))
