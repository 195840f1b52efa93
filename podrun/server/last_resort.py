"""Ends what an instance runs where no kubelet manages to: by the control group that holds it all, then its network."""

from __future__ import annotations

from collections.abc import Iterator

from cgroups import delegation
from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.hierarchies import current
from podrun.errors import PodrunError
from podrun.network import bridge, firewall
from podrun.network.netlink import Rtnetlink
from podrun.paths import Paths


def end(paths: Paths) -> Iterator[str]:
    """Kill and remove everything in the kernel that carries this instance's names; what could not be, in words."""
    try:
        _end_groups(paths.cgroup_parent)
    except CgroupError as error:
        yield f"cannot end what runs in {paths.cgroup_parent}: {error}"
    try:
        _disconnect(paths.bridge)
    except (PodrunError, OSError) as error:
        yield f"cannot remove network bridge {paths.bridge}: {error}"


def _end_groups(cgroup_parent: str) -> None:
    hierarchies = current()
    group = Group(delegation.resolve_parent(cgroup_parent, hierarchies), hierarchies)
    if group.exists():
        group.kill()
        group.remove(timeout=10.0)


def _disconnect(name: str) -> None:
    firewall.remove(name)
    with Rtnetlink() as host:
        bridge.remove(host, name)
