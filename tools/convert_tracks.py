"""`queryinst-vis convert-tracks` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["convert-tracks", *sys.argv[1:]]))
