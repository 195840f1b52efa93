"""Starting a container: one clone3, then a fixed list of small steps in the child, the last of which is exec."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from cgroups.group import Group
from podrun.container import devices, mounts, placement, program, root, terminal, user_namespace
from podrun.container.newborn import Newborn, SpawnError, StartError, StepError, bear, describe, follow_parent
from podrun.container.plan import LaunchPlan, NamespaceMode
from podrun.container.pod_handles import PodHandles
from podrun.container.program import ProgramBirth, Stdio
from podrun.linux import mount, namespaces, setfsuid
from podrun.linux.clone3 import CloneFlag
from podrun.linux.mount import Attribute
from podrun.linux.openat2 import make_directories


@dataclass(slots=True, kw_only=True)
class ContainerBirth(ProgramBirth):
    plan: LaunchPlan
    pod: PodHandles
    group: Group
    v1_tasks: tuple[str, ...]
    root: int = -1


def spawn(plan: LaunchPlan, pod: PodHandles, stdio: Stdio, target: int = -1) -> Newborn:
    """A child on its way to be the program of `plan`. Its cgroup is made and limited first; after a failure told in the
    report, the caller removes it, as after its end. Raises SpawnError, with nothing left behind."""
    if not plan.cwd.startswith("/"):
        raise SpawnError(StartError("start", 0, "Cwd must be an absolute path"))  # runc's words
    flags = int(CloneFlag.NEWNS)
    if plan.pid is NamespaceMode.PRIVATE and target < 0:
        flags |= int(CloneFlag.NEWPID)
    with placement.new_group(plan.cgroup, plan.limits, plan.devices) as (group, cgroup):
        group.create_everywhere()
        birth = ContainerBirth(plan=plan, stdio=stdio, pod=pod, group=group, v1_tasks=group.v1_task_files())
        born_in = pod.pause if plan.pid is NamespaceMode.POD else target
        return bear(STEPS, birth, flags, cgroup=cgroup, pid_namespace_of=born_in)


def join_cgroups(birth: ContainerBirth) -> None:
    placement.join_v1_groups(birth.v1_tasks)
    placement.hide_other_groups()
    placement.set_oom_score(birth, birth.plan.oom_score_adj)


def join_pod_namespaces(birth: ContainerBirth) -> None:
    plan, kinds = birth.plan, CloneFlag(0)
    for mode, kind in ((plan.net, CloneFlag.NEWNET), (plan.ipc, CloneFlag.NEWIPC), (plan.uts, CloneFlag.NEWUTS)):
        if mode is NamespaceMode.POD:
            kinds |= kind
    if kinds:
        namespaces.setns(birth.pod.pause, kinds)


def build_root(birth: ContainerBirth) -> None:
    os.umask(0)
    first_id = birth.plan.first_id
    trees = mounts.open_sources(birth.plan.mounts, birth.pod.machine, birth.pod.user_namespace)
    root.isolate_mounts()
    null = devices.open_null()
    if first_id:
        root.map_layers(birth.plan.root, birth.pod.user_namespace)
    birth.root = root.mount_overlay(birth.plan.root)
    if first_id:
        setfsuid.make_files_as(first_id)
    site = mounts.Site(birth.root, null, birth.pod.shm, birth.group, first_id)
    for item, tree in zip(birth.plan.mounts, trees, strict=True):
        try:
            mounts.attach(site, item, tree)
        except StepError:
            raise
        except OSError as error:
            words = f"cannot mount on {item.target}: {describe('', error).message}"
            raise StepError(error.errno or 0, words) from error
    site.close()
    if birth.plan.root.readonly:
        os.close(make_directories(birth.root, birth.plan.cwd))  # afterwards nobody could
        mount.mount_setattr(birth.root, Attribute.RDONLY)
    os.umask(0o022)


def enter_root(birth: ContainerBirth) -> None:
    root.enter(birth.root)


def enter_user_namespace(birth: ContainerBirth) -> None:
    if birth.plan.first_id:
        user_namespace.give_pipes(birth.stdio, birth.plan.first_id)
        user_namespace.enter(birth.pod.user_namespace, CloneFlag.NEWNS)
        user_namespace.become_root(birth)


STEPS: tuple[Callable[[ContainerBirth], None], ...] = (
    follow_parent,
    join_cgroups,
    program.open_app_armor,
    join_pod_namespaces,
    build_root,
    enter_root,
    enter_user_namespace,
    terminal.make_terminal,
    terminal.show_console,
    *program.STEPS,
)
