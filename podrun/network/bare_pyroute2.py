"""Lets pyroute2's message classes be imported without what the package itself loads: all of it, 200 modules."""

from __future__ import annotations

import importlib.util
import sys


def prepare() -> None:
    """Before the first import from pyroute2: an empty package of that name, whose parts are found as ever."""
    if "pyroute2" in sys.modules:
        return
    spec = importlib.util.find_spec("pyroute2")
    if spec is not None:
        sys.modules["pyroute2"] = importlib.util.module_from_spec(spec)
