"""`queryinst-vis benchmark` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["benchmark", *sys.argv[1:]]))
