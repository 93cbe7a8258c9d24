"""`queryinst-vis segment` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["segment", *sys.argv[1:]]))
