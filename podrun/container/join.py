"""Exec: one more process inside a running container, born in its cgroup and in its PID namespace."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from cgroups import hierarchies
from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.container import placement, program, terminal, user_namespace
from podrun.container.newborn import Newborn, SpawnError, bear, describe, follow_parent
from podrun.container.plan import ExecPlan
from podrun.container.program import ProgramBirth, Stdio
from podrun.linux import namespaces
from podrun.linux.clone3 import CloneFlag

_NAMESPACES = CloneFlag.NEWNS | CloneFlag.NEWNET | CloneFlag.NEWIPC | CloneFlag.NEWUTS | CloneFlag.NEWCGROUP


@dataclass(slots=True, kw_only=True)
class ExecBirth(ProgramBirth):
    plan: ExecPlan
    container: int  # pidfd of its main process
    v1_tasks: tuple[str, ...]


def spawn_exec(plan: ExecPlan, container: int, stdio: Stdio, own: Group | None = None) -> Newborn:
    """A child on its way to be the program of `plan`, beside the main process, whose pidfd is `container`.

    `own` is a v2 group below the container's, in which it is born and can be killed with its children; on v1 it shares
    the container's groups.

    Raises SpawnError: step "clone" with ESRCH where that process has ended.
    """
    try:
        group = Group(plan.cgroup, hierarchies.current())
        cgroup = (own or group).open_for_clone()
        try:
            birth = ExecBirth(plan=plan, stdio=stdio, container=container, v1_tasks=group.v1_task_files())
            return bear(STEPS, birth, CloneFlag(0), cgroup=cgroup, pid_namespace_of=container)
        finally:
            os.close(cgroup)
    except OSError as error:
        step = "open cgroup" if isinstance(error, CgroupError) else "clone"
        raise SpawnError(describe(step, error)) from error


def join_cgroups(birth: ExecBirth) -> None:
    placement.join_v1_groups(birth.v1_tasks)
    placement.set_oom_score(birth, birth.plan.oom_score_adj)


def join_container(birth: ExecBirth) -> None:
    """All at once: with its mount namespace, the child has the container's root, too."""
    if birth.plan.first_id:
        user_namespace.give_pipes(birth.stdio, birth.plan.first_id)
    namespaces.setns(birth.container, _NAMESPACES)
    if birth.plan.first_id:
        namespaces.setns(birth.container, CloneFlag.NEWUSER)
        user_namespace.become_root(birth)


STEPS: tuple[Callable[[ExecBirth], None], ...] = (
    follow_parent,
    join_cgroups,
    program.open_app_armor,
    join_container,
    terminal.make_terminal,
    *program.STEPS,
)
