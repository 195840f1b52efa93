"""`podrun label`: sets, changes and removes labels."""

from __future__ import annotations

from podrun.cli import mark_verbs, marks

command = mark_verbs.verb("label", marks.LABEL)
