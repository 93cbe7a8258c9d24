"""`queryinst-vis train` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["train", *sys.argv[1:]]))
