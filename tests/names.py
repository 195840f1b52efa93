"""Names for what tests make on the machine: each carries the id of this run, by which the leak check knows it."""

from __future__ import annotations

import os
import secrets

VARIABLE = "PODRUN_TEST_SUITE"
# No hexadecimal digit is among them, so an id never shows up by chance within a digest or a uid.
LETTERS = "ghjkmnpqrstvwxyz"


def new_suite() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(6))


def suite() -> str:
    """The id of this run, the same in every process of it."""
    return os.environ[VARIABLE]


def mark() -> str:
    """What all names begin with that this process gives, behind their prefixes: no other worker's do."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return suite() + LETTERS[int(worker)]


_given: set[str] = set()


def unique(prefix: str) -> str:
    """A name that no other test meets: `prefix` and ten letters (interface names, 15 at most, leave five for it)."""
    while True:
        name = prefix + mark() + "".join(secrets.choice(LETTERS) for _ in range(3))
        if name not in _given:
            _given.add(name)
            return name
