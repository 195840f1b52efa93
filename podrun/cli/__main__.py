"""`python -m podrun.cli`: the command podrun."""

from __future__ import annotations

from podrun.cli import entry

entry.run()
