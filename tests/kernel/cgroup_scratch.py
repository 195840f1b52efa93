"""A control group for one test, and a look at its knobs wherever this machine keeps the controller."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cgroups import hierarchies
from cgroups.group import Group
from tests import wait

PATIENCE = wait.patient(20)  # seconds


@contextlib.contextmanager
def scratch_group(*, create: bool = True) -> Iterator[Group]:
    """A group at the top of the hierarchy that no other test meets; at the end all in it is killed and removed."""
    group = Group(f"/podrun-test-{secrets.token_hex(6)}", hierarchies.detect())
    try:
        if create:
            group.create()
        yield group
    finally:
        group.kill()
        assert group.wait_empty(PATIENCE)
        group.remove(timeout=PATIENCE)


@contextlib.contextmanager
def running(group: Group, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """A program in the group. It gets a line on its standard input when it may begin: use `begin`."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            group.add(process.pid)
            yield process
        finally:
            process.kill()


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


def knob(group: Group, controller: str, v2: str, v1: str) -> str:
    """The text of the knob: of file `v2` where the controller is on v2, else of file `v1`."""
    point = group.hierarchies.v1_controllers.get(controller)
    path = f"{group.directory}/{v2}" if point is None else f"{point}{group.path}/{v1}"
    return Path(path).read_text().strip()


def expected(group: Group, controller: str, v2: str, v1: str) -> str:
    """Which of two texts is right here."""
    return v1 if controller in group.hierarchies.v1_controllers else v2


def left_over(group: Group) -> list[str]:
    """The directories of the group that still exist, in any hierarchy."""
    known = group.hierarchies
    points = {known.unified.point, *known.v1_controllers.values(), *known.v1_bystanders}
    return [point for point in points if Path(point + group.path).exists()]
