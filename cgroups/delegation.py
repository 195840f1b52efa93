"""Where the groups of one instance lie: at the top of the hierarchy, or inside the systemd unit delegated to us.

The rules are systemd's (https://systemd.io/CGROUP_DELEGATION): below a delegated unit the tree is ours, elsewhere it
is not.
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

    Started by a delegated unit: `<unit's group><parent>`, the same after the caller went into its leaf, so that a
    restarted service finds its pods. Otherwise `parent` at the top of the hierarchy. Only the unit that the caller
    was started as counts: a terminal somewhere below a user's delegated slice is not ours, and pods must outlive it.
    """
    wanted = Group("/" + parent.strip("/"), hierarchies)
    if wanted.path == "/":
        raise CgroupError(f'cannot use "{parent}" as the parent of control groups: others keep theirs there')
    place = Group(own_group(hierarchies) if own is None else own, hierarchies)
    for unit in (place, _unit_of_leaf(place, wanted.path)):
        if unit.path != "/" and is_delegated(unit):
            return unit.path + wanted.path
    return wanted.path


def _unit_of_leaf(place: Group, parent: str) -> Group:
    """The unit of a caller in `<unit><parent>/kubelet`, or put into `<unit>/kubelet` by DelegateSubgroup=."""
    for leaf in (f"{parent}/{LEAF}", f"/{LEAF}"):
        if place.path.endswith(leaf) and place.path != leaf:
            return Group(place.path.removesuffix(leaf), place.hierarchies)
    return place


def enter_leaf(parent: str, hierarchies: Hierarchies, name: str = LEAF) -> Group:
    """Move the calling process into `<parent>/<name>` and return that group; `parent` comes from `resolve_parent`.

    Needed before the first group with limits is made: a group that holds processes cannot enable controllers for
    groups below it. The leaf itself has no limits.
    """
    leaf = Group(parent, hierarchies).child(name)
    if own_group(hierarchies) != leaf.path:
        leaf.create(limited=False)
        leaf.add(os.getpid())
    return leaf
