"""`queryinst-vis convert-cityscapes` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["convert-cityscapes", *sys.argv[1:]]))
