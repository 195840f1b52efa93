"""prctl(2): what a process says about itself to the kernel, by python-prctl. Capabilities are in capabilities.py."""

from __future__ import annotations

import prctl


def set_parent_death_signal(signal: int) -> None:
    """The signal that the caller gets when its parent ends; forgotten at every change of identity."""
    prctl.set_pdeathsig(signal)


def set_dumpable(dumpable: bool) -> None:
    """False: nobody without CAP_SYS_PTRACE reads the process's memory, root or executable. Inherited, until exec."""
    prctl.set_dumpable(dumpable)


def set_keep_capabilities(keep: bool) -> None:
    """Whether the permitted set outlives the change from uid 0 to another; off again at exec."""
    prctl.set_keepcaps(keep)


def set_no_new_privs() -> None:
    """exec gives no more privileges from here on; cannot be taken back."""
    prctl.set_no_new_privs(1)
