"""What pause leaves behind before anybody joins it: identity, capabilities, the way back to them, and its name."""

from __future__ import annotations

import os

import prctl

NOBODY = 65535  # as in Kubernetes' own pause image


def leave_privileges() -> None:
    """Become uid and gid 65535 without capabilities, unreadable to others, called /pause. Raises OSError without root.

    The change of uid empties all capability sets of capabilities(7), also of those that python-prctl has no name for.
    """
    prctl.capbset.limit()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    prctl.set_no_new_privs(1)
    take_name()
    prctl.set_dumpable(0)


def take_name() -> None:
    """Appear as /pause in ps and top."""
    prctl.set_proctitle("/pause")
    prctl.set_name("pause")
