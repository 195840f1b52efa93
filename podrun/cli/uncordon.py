"""`podrun uncordon`: lets new pods onto the node again."""

from __future__ import annotations

from podrun.cli import cordoning

command = cordoning.verb("uncordon", unschedulable=False)
