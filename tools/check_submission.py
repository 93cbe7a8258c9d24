"""`queryinst-vis check-submission` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["check-submission", *sys.argv[1:]]))
