"""`queryinst-vis test` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["test", *sys.argv[1:]]))
