"""`queryinst-vis convert-mots` from the clone."""

import sys

from queryinst_vis.cli.main import main

sys.exit(main(["convert-mots", *sys.argv[1:]]))
