"""`queryinst-vis synthesize` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["synthesize", *sys.argv[1:]]))
