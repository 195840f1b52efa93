"""Where the groups of one instance lie: at the top of the hierarchy, or inside the systemd unit delegated to us.

The rules are systemd's (https://systemd.io/CGROUP_DELEGATION), with one exception that its older versions force: a unit
whose own group has controllers enabled below it cannot be started again while anything lives there (219/CGROUP, seen
with systemd 252). Pods outlive their service, so the unit's group is used only where systemd puts the service itself
into a subgroup (DelegateSubgroup=kubelet, systemd 254); otherwise they go to the top, where the kubelet's cgroupfs
driver has them.
"""

from __future__ import annotations

import os

from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.hierarchies import Hierarchies, own_group

LEAF = "kubelet"


def is_delegated(group: Group) -> bool:
    """Whether systemd marked the group as delegated (Delegate=yes): an extended attribute on its v2 directory."""
    for name in ("trusted.delegate", "user.delegate"):
        try:
            if os.getxattr(group.directory, name) == b"1":
                return True
        except OSError:
            continue
    return False


def resolve_parent(parent: str, hierarchies: Hierarchies, own: str | None = None) -> str:
    """The group in which everything of this instance lies, for the setting `parent` ("/podrun").

    For a caller in the `kubelet` subgroup of a delegated unit: `<unit's group><parent>`; otherwise `parent` at the
    top. Both come out again for a restarted service, which so finds its pods. A delegated group further up does not
    count: a terminal in a user's session is not ours, and pods must outlive it.
    """
    wanted = Group("/" + parent.strip("/"), hierarchies)
    if wanted.path == "/":
        raise CgroupError(f'cannot use "{parent}" as the parent of control groups: others keep theirs there')
    place = own_group(hierarchies) if own is None else own
    for leaf in (f"{wanted.path}/{LEAF}", f"/{LEAF}"):
        unit = place.removesuffix(leaf)
        if place.endswith(leaf) and unit and is_delegated(Group(unit, hierarchies)):
            return unit + wanted.path
    return wanted.path


def enter_leaf(parent: str, hierarchies: Hierarchies, name: str = LEAF) -> Group:
    """Move the calling process into `<parent>/<name>` if it is in the way; the group that it is in afterwards.

    In the way are processes in a group above: it cannot enable controllers for `parent` while it holds them. So this
    comes before the first group with limits. `parent` is what `resolve_parent` gave; the leaf has no limits.
    """
    own = Group(own_group(hierarchies), hierarchies)
    if own.path not in ("/", parent) and not parent.startswith(f"{own.path}/"):
        return own
    leaf = Group(parent, hierarchies).child(name)
    leaf.create(limited=False)
    leaf.add(os.getpid())
    return leaf
