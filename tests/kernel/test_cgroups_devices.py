"""Device rules carried out by the kernel for the processes of a group."""

from __future__ import annotations

import errno
import sys

import pytest
from cgroup_scratch import begin, running, scratch_group

from cgroups import devices
from cgroups.devices import Access, DeviceRule
from cgroups.errors import CgroupError
from cgroups.group import Group

ATTEMPTS = """
import os, sys
sys.stdin.readline()
for name, flags in (("null", os.O_RDONLY), ("null", os.O_RDWR), ("zero", os.O_RDONLY), ("full", os.O_WRONLY)):
    try:
        os.close(os.open(f"/dev/{name}", flags))
        print(name, "opened")
    except OSError as error:
        print(name, error.errno)
"""


def attempts(group: Group) -> list[str]:
    """What became of opening null for reading, null for both, zero for reading, full for writing."""
    with running(group, sys.executable, "-c", ATTEMPTS) as process:
        begin(process)
        return process.communicate()[0].splitlines()


def test_what_no_rule_allows_is_refused() -> None:
    refused = str(errno.EPERM)
    cases: list[tuple[tuple[DeviceRule, ...], list[str]]] = [
        (devices.EVERYTHING, ["opened"] * 4),
        (devices.STANDARD, ["opened"] * 4),
        ((), [refused] * 4),
        ((DeviceRule("c", 1, 3),), ["opened", "opened", refused, refused]),
        ((DeviceRule("c", 1, 3, Access.READ),), ["opened", refused, refused, refused]),
        ((DeviceRule("c", None, 5), DeviceRule("c", 1, 7, Access.WRITE)), [refused, refused, "opened", "opened"]),
        ((DeviceRule("b", 1), DeviceRule("c", 2)), [refused] * 4),
        ((DeviceRule("c", 1, access=Access.MKNOD),), [refused] * 4),
        ((DeviceRule("c", 1),), ["opened"] * 4),
        ((DeviceRule("a", access=Access.READ),), ["opened", refused, "opened", refused]),
    ]
    for rules, expected in cases:
        with scratch_group() as group:
            group.allow_devices(rules)
            assert [line.split()[1] for line in attempts(group)] == expected, rules


def test_the_rules_hold_below_and_a_second_call_refuses_more() -> None:
    with scratch_group() as group:
        for _ in range(2):  # the same rules again change nothing
            group.allow_devices((DeviceRule("c", 1),))
        child = group.child("below")
        child.create()
        child.allow_devices((DeviceRule("c", 1, 3), DeviceRule("c", 5)))
        assert [line.split()[1] for line in attempts(child)] == ["opened", "opened", str(errno.EPERM), str(errno.EPERM)]
        group.allow_devices(())
        assert [line.split()[1] for line in attempts(child)] == [str(errno.EPERM)] * 4


def test_a_missing_group_is_named() -> None:
    with (
        scratch_group(create=False) as group,
        pytest.raises(CgroupError, match=f"devices of control group {group.path}"),
    ):
        group.allow_devices(devices.STANDARD)
