"""`queryinst-vis export-model` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["export-model", *sys.argv[1:]]))
