"""``python -m pushcell.cli``: the command, without the program that an installation makes of it."""

import sys

from pushcell.cli.main import main

sys.exit(main())
