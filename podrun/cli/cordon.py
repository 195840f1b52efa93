"""`podrun cordon`: keeps new pods from the node."""

from __future__ import annotations

from podrun.cli import cordoning

command = cordoning.verb("cordon", unschedulable=True)
