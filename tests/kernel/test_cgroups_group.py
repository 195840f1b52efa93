"""Making, filling, freezing, killing and removing real groups."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from cgroup_scratch import PATIENCE, begin, knob, left_over, running, scratch_group, wait_until

from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.limits import Limits


def test_a_group_is_made_with_its_parents_in_every_hierarchy_that_limits_it() -> None:
    with scratch_group(create=False) as top:
        container = top.child("burstable").child("pod1").child("c1")
        container.create()
        assert container.exists()
        for point in container.hierarchies.v1_points:
            assert Path(point + container.path).is_dir()
        assert [child.path for child in top.children()] == [f"{top.path}/burstable"]
        container.apply(Limits(cpu_shares=1024, memory_max=1 << 26, pids_max=10))


def test_making_a_group_twice_changes_nothing() -> None:
    with scratch_group() as group:
        group.apply(Limits(pids_max=7))
        group.create()
        assert knob(group, "pids", "pids.max", "pids.max") == "7"


def test_a_sibling_after_the_first_child_has_its_controllers_too() -> None:
    with scratch_group() as top:
        top.child("a").create()
        top.child("b").create()
        top.child("b").apply(Limits(pids_max=3))
        assert knob(top.child("b"), "pids", "pids.max", "pids.max") == "3"


def test_a_group_without_limits_lives_in_v2_only() -> None:
    with scratch_group(create=False) as top:
        leaf = top.child("shims")
        leaf.create(limited=False)
        assert left_over(leaf) == [leaf.hierarchies.unified.point]
        with running(leaf, "sleep", "1000") as process:
            assert leaf.pids() == [process.pid]
            assert leaf.v1_task_files() == ()
            leaf.kill()
            assert process.wait(PATIENCE) == -signal.SIGKILL


def test_limits_below_a_group_that_holds_processes_are_a_clear_error_on_v2() -> None:
    with scratch_group() as top, running(top, "sleep", "1000"):
        if top.hierarchies.mode == "v2":
            with pytest.raises(
                CgroupError, match=f"cannot enable .* below control group {top.path}: processes live in"
            ):
                top.child("below").create()
        else:
            top.child("below").create()


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a//b", "/a/", "/./a", ""])
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with scratch_group(create=False) as top, pytest.raises(CgroupError, match="not an absolute path of plain names"):
        Group(path, top.hierarchies)


def test_an_added_process_is_a_member_everywhere_and_the_group_is_populated() -> None:
    with scratch_group() as group:
        assert not group.populated()
        with running(group, "sleep", "1000") as process:
            assert group.populated()
            assert group.pids() == [process.pid]
            for path in group.v1_task_files():
                assert Path(path).read_text().split() == [str(process.pid)]
        assert group.wait_empty(PATIENCE)
        assert not group.populated()


def test_a_child_puts_itself_into_the_v1_groups_through_the_task_files() -> None:
    with scratch_group() as group:
        joined, ready = os.pipe()
        child = os.fork()
        if child == 0:
            for path in group.v1_task_files():
                Path(path).write_text("0")
            os.write(ready, b"x")
            signal.pause()
        try:
            assert os.read(joined, 1) == b"x"
            member = Path(f"/proc/{child}/cgroup").read_text().splitlines()
            lines = {line.split(":")[1]: line.split(":")[2] for line in member}
            for controller, place in lines.items():
                if controller in group.hierarchies.v1_controllers and controller != "cpuset":
                    assert place.endswith(group.path)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(joined)
            os.close(ready)


def test_the_descriptor_for_clone_is_the_v2_directory_and_is_closed_on_exec() -> None:
    with scratch_group() as group:
        descriptor = group.open_for_clone()
        try:
            assert os.path.samestat(os.fstat(descriptor), os.stat(group.directory))
            assert not os.get_inheritable(descriptor)
        finally:
            os.close(descriptor)


def test_a_zombie_does_not_keep_a_group_populated_or_from_being_removed() -> None:
    with scratch_group() as group, running(group, "sleep", "1000") as process:
        group.kill()
        assert group.wait_empty(PATIENCE)
        # It leaves its group a moment before it is a zombie.
        wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "Z")
        group.remove()
        assert left_over(group) == []


@pytest.mark.parametrize("way", ["kill", "kill_by_signals"])
def test_kill_ends_a_whole_tree(way: str) -> None:
    with scratch_group() as top:
        pod = top.child("pod")
        pod.create()
        with running(pod, "sh", "-c", "read go; setsid sh -c 'sleep 1000 & sleep 1000' & sleep 1000") as process:
            begin(process)
            wait_until(lambda: len(pod.pids()) >= 5)
            getattr(pod, way)()
            assert top.wait_empty(PATIENCE)
            assert process.wait(PATIENCE) == -signal.SIGKILL


@pytest.mark.parametrize("way", ["kill", "kill_by_signals"])
def test_kill_ends_processes_that_fork_all_the_time(way: str) -> None:
    with scratch_group() as group:
        group.apply(Limits(pids_max=40))
        forker = "import os\ninput()\nwhile 1:\n try:\n  os.fork()\n except OSError: pass"
        with running(group, "python3", "-c", forker) as process:
            begin(process)
            wait_until(lambda: len(group.pids()) >= 30)
            getattr(group, way)()
            assert group.wait_empty(PATIENCE)


@pytest.mark.parametrize("way", ["kill", "kill_by_signals"])
def test_kill_ends_frozen_processes_and_those_in_groups_below(way: str) -> None:
    with scratch_group() as top:
        for name in ("a", "b"):
            top.child(name).create()
        with running(top.child("a"), "sleep", "1000") as first, running(top.child("b"), "sleep", "1000") as second:
            assert sorted(top.pids(tree=True)) == sorted([first.pid, second.pid])
            top.freeze()
            getattr(top, way)()
            assert top.wait_empty(PATIENCE)
            assert (first.wait(PATIENCE), second.wait(PATIENCE)) == (-signal.SIGKILL, -signal.SIGKILL)


def test_a_frozen_process_makes_no_progress_until_it_is_thawed() -> None:
    with scratch_group() as group, running(group, "cat") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        group.freeze()
        assert Path(f"{group.directory}/cgroup.events").read_text().split() == ["populated", "1", "frozen", "1"]
        process.stdin.write("after\n")
        process.stdin.flush()
        os.set_blocking(process.stdout.fileno(), False)
        with pytest.raises(BlockingIOError):
            os.read(process.stdout.fileno(), 10)
        os.set_blocking(process.stdout.fileno(), True)
        group.thaw()
        assert process.stdout.readline() == "after\n"


def test_removing_takes_the_whole_tree_in_every_hierarchy() -> None:
    with scratch_group() as top:
        for path in ("pod1/a", "pod1/b/deeper", "burstable/pod2/a"):
            group = top
            for name in path.split("/"):
                group = group.child(name)
            group.create()
        group.apply(Limits(cpuset_cpus="0"))
        top.remove()
        assert left_over(top) == []


def test_what_is_missing_is_removed_killed_and_empty_already() -> None:
    with scratch_group(create=False) as group:
        group.kill()
        group.remove()
        assert group.wait_empty(0)
        assert not group.populated()
        assert not group.exists()
        assert group.pids() == []
        assert group.children() == []


def test_a_group_with_a_process_is_not_removed_and_says_why() -> None:
    with scratch_group() as group, running(group, "sleep", "1000"):
        with pytest.raises(CgroupError, match=f"cannot remove control group {group.path}: .*: Device or resource busy"):
            group.remove(timeout=0)
        assert group.exists()


def test_waiting_for_a_busy_group_ends_in_time() -> None:
    with scratch_group() as group, running(group, "sleep", "1000"):
        assert group.wait_empty(0.01) is False


def test_a_group_cut_short_between_hierarchies_is_completed_by_making_it_again() -> None:
    with scratch_group(create=False) as group:
        os.mkdir(group.directory)
        group.create()
        group.apply(Limits(pids_max=5))
        assert knob(group, "pids", "pids.max", "pids.max") == "5"


def test_pids_max_stops_forks() -> None:
    with scratch_group() as group:
        group.apply(Limits(pids_max=3))
        script = "read go; sleep 1000 & sleep 1000 & sleep 1000 & echo never"
        with subprocess.Popen(
            ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            group.add(process.pid)
            begin(process)
            assert process.wait(PATIENCE) != 0
            assert process.stderr is not None
            group.kill()
            assert "fork" in process.stderr.read()
        assert group.wait_empty(PATIENCE)


def test_processes_move_along_when_their_group_is_bound_to_processors() -> None:
    with scratch_group() as group, running(group, "sleep", "1000") as process:
        group.apply(Limits(cpuset_cpus="0"))
        assert os.sched_getaffinity(process.pid) == {0}
        assert knob(group, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
        group.apply(Limits(cpuset_cpus=""))
        assert os.sched_getaffinity(process.pid) == os.sched_getaffinity(os.getpid())
