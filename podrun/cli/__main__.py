"""`python -m podrun.cli`: the command podrun."""

from __future__ import annotations

import sys

from podrun.cli.main import main

sys.exit(main())
