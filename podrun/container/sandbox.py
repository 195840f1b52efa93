"""The pause process of a pod: born into new namespaces, which it prepares and then holds behind walls of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cgroups.limits import Limits
from pause import hold, leave, program
from podrun.container import placement, user_namespace
from podrun.container.newborn import Birth, Newborn, announce, bear, follow_parent
from podrun.container.plan import NamespaceMode, SandboxPlan
from podrun.linux import close_range, mount, namespaces
from podrun.linux.clone3 import CloneFlag
from podrun.linux.mount import Attribute, MountFlag


@dataclass(slots=True, kw_only=True)
class SandboxBirth(Birth):
    plan: SandboxPlan
    v1_tasks: tuple[str, ...]
    user_namespace: int = -1
    program: int = -1  # what pause becomes, as pause/program has it
    denied: list[str] = field(default_factory=list)  # sysctls that root inside may be able to set


def spawn_pause(plan: SandboxPlan, user_namespace: int = -1) -> Newborn:
    """Pause, in the namespaces that `plan` names and in its cgroup, which is made. The report ends when it holds.

    With `user_namespace`, a descriptor, all but the PID namespace belong to that. Raises SpawnError.
    """
    flags = int(CloneFlag.NEWNS)
    if not plan.first_id:
        flags |= _kinds(plan)
    if plan.pid is NamespaceMode.POD:
        flags |= int(CloneFlag.NEWPID)
    with placement.new_group(plan.cgroup, Limits()) as (group, cgroup):
        birth = SandboxBirth(plan=plan, v1_tasks=group.v1_task_files(), user_namespace=user_namespace)
        return bear(STEPS, birth, flags, cgroup=cgroup)


def _kinds(plan: SandboxPlan) -> int:
    """A sum of CloneFlag, put together as plain numbers: the shim does it, too."""
    kinds = 0
    for mode, kind in ((plan.net, CloneFlag.NEWNET), (plan.ipc, CloneFlag.NEWIPC), (plan.uts, CloneFlag.NEWUTS)):
        if mode is NamespaceMode.POD:
            kinds |= int(kind)
    return kinds


def join_cgroups(birth: SandboxBirth) -> None:
    placement.join_v1_groups(birth.v1_tasks)
    placement.set_oom_score(birth, birth.plan.oom_score_adj)


def prepare_program(birth: SandboxBirth) -> None:
    """As the machine's root, to whom the file then belongs, and whose alone the running program's memory is."""
    birth.program = program.prepare()


def enter_user_namespace(birth: SandboxBirth) -> None:
    if birth.plan.first_id:
        user_namespace.enter(birth.user_namespace, CloneFlag.NEWNS | CloneFlag(_kinds(birth.plan)))


def set_hostname(birth: SandboxBirth) -> None:
    if birth.plan.uts is NamespaceMode.POD:
        namespaces.sethostname(birth.plan.hostname)


def set_sysctls(birth: SandboxBirth) -> None:
    """Through the machine's procfs, whose net, IPC and UTS entries are those of the namespaces of who opens them."""
    for name, value in birth.plan.sysctls.items():
        try:
            _set_sysctl(name, value)
        except PermissionError:
            if not birth.plan.first_id:
                raise
            birth.denied.append(name)


def _set_sysctl(name: str, value: str) -> None:
    # In a dotted name, "/" stands for a dot that belongs to a part ("net.ipv4.conf.eth0/1.mtu"): sysctl(8).
    path = name if "/" in name and "." not in name else name.translate(str.maketrans("./", "/."))
    descriptor = os.open(f"/proc/sys/{path}", os.O_WRONLY | os.O_CLOEXEC)
    os.write(descriptor, value.encode())
    os.close(descriptor)


def become_root_inside(birth: SandboxBirth) -> None:
    """IPC's sysctls are its to set since Linux 6.2, and before that those of the machine's root, by number."""
    if birth.plan.first_id:
        user_namespace.become_root(birth)
        for name in birth.denied:
            _set_sysctl(name, birth.plan.sysctls[name])


def enter_empty_root(birth: SandboxBirth) -> None:
    """A read-only tmpfs without a file in it is all that pause, and whoever gets at it, can see."""
    mount.mount("none", "/", flags=MountFlag.SLAVE | MountFlag.REC)
    attributes = Attribute.RDONLY | Attribute.NOSUID | Attribute.NODEV | Attribute.NOEXEC
    empty = mount.new_mount("tmpfs", {"source": "none", "mode": "555", "size": "4096"}, attributes)
    place = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mount.move_mount(empty, place)
    os.fchdir(empty)
    mount.pivot_root(".", ".")
    mount.umount_detach(".")
    os.chdir("/")


def become_pause(birth: SandboxBirth) -> None:
    """From here on it is pause. Closing the report is the last thing that its parent hears of it."""
    os.setsid()
    leave.leave_privileges()
    follow_parent(birth)
    announce(birth, os.getuid(), os.getgid(), ())
    close_range.close_all_but(() if birth.program < 0 else (birth.program,))
    hold.hold(birth.program)


STEPS: tuple[Callable[[SandboxBirth], None], ...] = (
    follow_parent,
    join_cgroups,
    prepare_program,
    enter_user_namespace,
    set_hostname,
    set_sysctls,
    become_root_inside,
    enter_empty_root,
    become_pause,
)
