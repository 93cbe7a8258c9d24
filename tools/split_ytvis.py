"""`queryinst-vis split` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["split", *sys.argv[1:]]))
