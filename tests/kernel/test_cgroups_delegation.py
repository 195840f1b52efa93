"""The parent group under a delegated unit: a group marked as systemd marks it, entered by a real process."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cgroup_scratch import scratch_group

from cgroups import delegation, hierarchies
from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.limits import Limits


def in_a_child(action: Callable[[], None]) -> None:
    """Run `action` in a process of its own, which may change its group; fail with its traceback."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-4000:])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as report:
        failure = report.read()
    os.waitpid(child, 0)
    assert not failure, failure


def test_outside_of_a_delegated_unit_the_parent_lies_at_the_top() -> None:
    arrangement = hierarchies.detect()
    assert delegation.resolve_parent("/podrun", arrangement, own="/") == "/podrun"
    assert delegation.resolve_parent("podrun/", arrangement, own="/user.slice/terminal.scope") == "/podrun"


@pytest.mark.parametrize("parent", ["/", "", "/../x"])
def test_a_parent_that_is_not_ours_alone_is_refused(parent: str) -> None:
    with pytest.raises(CgroupError, match="cannot use"):
        delegation.resolve_parent(parent, hierarchies.detect(), own="/")


@pytest.mark.parametrize("attribute", ["trusted.delegate", "user.delegate"])
def test_a_service_in_the_subgroup_of_its_delegated_unit_keeps_its_pods_inside_the_unit(attribute: str) -> None:
    with scratch_group(create=False) as top:
        unit = top.child("podrun.service")
        unit.child("kubelet").create(limited=False)
        os.setxattr(unit.directory, attribute, b"1")

        def kubelet() -> None:
            unit.child("kubelet").add(os.getpid())
            parent = delegation.resolve_parent("/podrun", unit.hierarchies)
            assert parent == f"{unit.path}/podrun"
            assert delegation.enter_leaf(parent, unit.hierarchies) == unit.child("kubelet")
            pod = Group(parent, unit.hierarchies).child("burstable").child("pod1")
            pod.create()
            pod.apply(Limits(pids_max=5, memory_max=1 << 26))
            assert unit.child("kubelet").pids() == [os.getpid()]

        in_a_child(kubelet)
        in_a_child(kubelet)
        assert [child.path for child in unit.children()] == [f"{unit.path}/kubelet", f"{unit.path}/podrun"]


def test_a_service_in_the_group_of_its_unit_itself_keeps_its_pods_at_the_top_so_that_it_can_be_started_again() -> None:
    with scratch_group(create=False) as top:
        top.create(limited=False)
        os.setxattr(top.directory, "trusted.delegate", b"1")
        assert delegation.resolve_parent("/podrun", top.hierarchies, own=top.path) == "/podrun"


def test_a_kubelet_in_the_leaf_of_its_parent_finds_the_same_parent() -> None:
    with scratch_group(create=False) as top:
        top.create(limited=False)
        os.setxattr(top.directory, "trusted.delegate", b"1")
        own = f"{top.path}/podrun/kubelet"
        assert delegation.resolve_parent("/podrun", top.hierarchies, own=own) == f"{top.path}/podrun"
        assert delegation.resolve_parent("/podrun", top.hierarchies, own="/podrun/kubelet") == "/podrun"


def test_a_delegated_slice_further_up_does_not_count() -> None:
    with scratch_group(create=False) as top:
        top.create(limited=False)
        os.setxattr(top.directory, "trusted.delegate", b"1")
        own = f"{top.path}/app.slice/terminal.scope"
        assert delegation.resolve_parent("/podrun", top.hierarchies, own=own) == "/podrun"


def test_a_process_in_the_way_moves_into_the_leaf_and_limits_can_be_set_beside_it() -> None:
    with scratch_group(create=False) as top:
        top.create(limited=False)
        parent = top.child("podrun")

        def kubelet() -> None:
            top.add(os.getpid())
            before = Path(f"{top.directory}/cgroup.subtree_control").read_text()
            assert delegation.enter_leaf(parent.path, top.hierarchies) == parent.child("kubelet")
            assert hierarchies.own_group(top.hierarchies) == f"{parent.path}/kubelet"
            assert Path(f"{top.directory}/cgroup.subtree_control").read_text() == before
            assert delegation.enter_leaf(parent.path, top.hierarchies) == parent.child("kubelet")
            pod = parent.child("pod1")
            pod.create()
            pod.apply(Limits(pids_max=5))

        in_a_child(kubelet)


def test_a_process_elsewhere_stays_where_it_is() -> None:
    with scratch_group(create=False) as top:
        session = top.child("session.scope")
        session.create(limited=False)

        def kubelet() -> None:
            session.add(os.getpid())
            assert delegation.enter_leaf(f"{top.path}/podrun", top.hierarchies) == session
            assert session.pids() == [os.getpid()]

        in_a_child(kubelet)
