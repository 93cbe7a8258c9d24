"""`queryinst-vis compare` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["compare", *sys.argv[1:]]))
