"""`podrun annotate`: sets, changes and removes annotations."""

from __future__ import annotations

from podrun.cli import mark_verbs, marks

command = mark_verbs.verb("annotate", marks.ANNOTATION)
