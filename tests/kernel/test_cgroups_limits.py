"""Limits read back from the kernel, and memory limits carried out."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from cgroup_scratch import PATIENCE, begin, expected, knob, running, scratch_group

from cgroups import hierarchies, limits
from cgroups.bounds import Bounds
from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.limits import Limits

MIB = 1 << 20


def cpu_weight(group: Group) -> str:
    return knob(group, "cpu", "cpu.weight", "cpu.shares")


def cpu_max(group: Group) -> str:
    return knob(group, "cpu", "cpu.max", "cpu.cfs_quota_us")


def memory_max(group: Group) -> str:
    return knob(group, "memory", "memory.max", "memory.limit_in_bytes")


def unlimited_memory(group: Group) -> str:
    return expected(group, "memory", "max", str((1 << 63) // 4096 * 4096 - 4096))


def test_the_numbers_of_a_container_arrive_in_the_kernel() -> None:
    with scratch_group() as group:
        group.apply(
            limits.from_resources(cpu_request_milli=500, cpu_limit_milli=1500, memory_limit=64 * MIB, pids_max=99)
        )
        assert cpu_weight(group) == expected(group, "cpu", "59", "512")
        assert cpu_max(group) == expected(group, "cpu", "150000 100000", "150000")
        assert memory_max(group) == str(64 * MIB)
        assert knob(group, "memory", "memory.swap.max", "memory.memsw.limit_in_bytes") == expected(
            group, "memory", "0", str(64 * MIB)
        )
        assert knob(group, "pids", "pids.max", "pids.max") == "99"
        assert group.bounds() == Bounds(cpu_weight=59, cpu_milli=1500, memory_max=64 * MIB, pids_max=99)


def test_a_group_without_limits_and_one_that_is_gone_have_no_bounds() -> None:
    with scratch_group() as group:
        assert group.bounds() == Bounds(cpu_weight=100, cpu_milli=None, memory_max=None, pids_max=None)
        assert group.child("absent").bounds() == Bounds(None, None, None, None)


def test_none_leaves_what_is_there_and_max_takes_the_limit_away() -> None:
    with scratch_group() as group:
        group.apply(Limits(cpu_quota_us=20000, memory_max=64 * MIB, memory_swap_max=0, pids_max=9))
        group.apply(Limits(cpu_shares=2048))
        assert memory_max(group) == str(64 * MIB)
        group.apply(Limits(cpu_quota_us="max", memory_max="max", memory_swap_max="max", pids_max="max"))
        assert cpu_max(group) == expected(group, "cpu", "max 100000", "-1")
        assert memory_max(group) == unlimited_memory(group)
        assert knob(group, "pids", "pids.max", "pids.max") == "max"
        assert cpu_weight(group) == expected(group, "cpu", "174", "2048")


@pytest.mark.parametrize("steps", [(64, 128, 32, 256), (256, 8, 512)])
def test_memory_limits_are_raised_and_lowered_in_place(steps: tuple[int, ...]) -> None:
    with scratch_group() as group:
        for mib in steps:
            group.apply(Limits(memory_max=mib * MIB, memory_swap_max=0))
            assert memory_max(group) == str(mib * MIB)


def test_quota_and_period_change_together_under_a_parent_with_a_quota() -> None:
    with scratch_group() as pod:
        pod.apply(Limits(cpu_quota_us=100_000))
        container = pod.child("c")
        container.create()
        for quota, period in ((100_000, 100_000), (50_000, 50_000), (200_000, 200_000), (10_000, 100_000)):
            container.apply(Limits(cpu_quota_us=quota, cpu_period_us=period))
            assert cpu_max(container) == expected(container, "cpu", f"{quota} {period}", str(quota))


def test_what_v1_lacks_is_passed_over_there_and_set_on_v2() -> None:
    with scratch_group() as group:
        group.apply(Limits(memory_min=MIB, memory_high=32 * MIB, memory_oom_group=True))
        if "memory" in group.hierarchies.v2_controllers:
            for file, value in (("memory.min", MIB), ("memory.high", 32 * MIB), ("memory.oom.group", 1)):
                assert knob(group, "memory", file, "") == str(value)
        else:
            assert memory_max(group) == unlimited_memory(group)


def test_a_value_that_the_kernel_refuses_is_named_with_file_and_group() -> None:
    with scratch_group() as group:
        with pytest.raises(CgroupError, match=rf"cannot set pids.max of control group {group.path} to -5: Invalid arg"):
            group.apply(Limits(pids_max=-5))


def test_limits_for_a_missing_group_say_that_it_is_missing() -> None:
    with scratch_group(create=False) as group, pytest.raises(CgroupError, match="the group does not exist"):
        group.apply(Limits(pids_max=5))


EATER = "input(); eaten = [bytearray(1 << 20) for _ in range(400)]; print(len(eaten))"


def test_the_memory_limit_kills_a_process_that_passes_it_and_the_kill_is_counted() -> None:
    with scratch_group() as pod:
        container, other = pod.child("c"), pod.child("other")
        for group in (container, other):
            group.create()
        container.apply(Limits(memory_max=48 * MIB, memory_swap_max=0))
        assert container.oom_kills() == 0
        with running(container, sys.executable, "-c", EATER) as process:
            begin(process)
            assert process.wait(PATIENCE) == -signal.SIGKILL
        assert container.oom_kills() == 1
        assert other.oom_kills() == 0


def test_the_limit_of_the_pod_counts_the_kill_in_the_container_that_it_hit() -> None:
    with scratch_group() as pod:
        pod.apply(Limits(memory_max=48 * MIB, memory_swap_max=0))
        container = pod.child("c")
        container.create()
        with running(container, sys.executable, "-c", EATER) as process:
            begin(process)
            assert process.wait(PATIENCE) == -signal.SIGKILL
        assert container.oom_kills() == 1


@pytest.mark.skipif(not hierarchies.current().has("hugetlb"), reason="no hugetlb controller on this machine")
def test_huge_pages_are_limited_from_the_first_limit_on() -> None:
    sizes = sorted(int(each.name[10:-2]) << 10 for each in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"))
    if not sizes:
        pytest.skip("a kernel without huge pages")
    word = limits.huge_page_word(sizes[0])
    with scratch_group() as group:
        group.create()
        group.apply(Limits(hugetlb={word: 4 * sizes[0]}))
        file, v1 = f"hugetlb.{word}.max", f"hugetlb.{word}.limit_in_bytes"
        assert knob(group, "hugetlb", file, v1) == str(4 * sizes[0])
        group.apply(Limits(hugetlb={word: 0}))
        assert knob(group, "hugetlb", file, v1) == "0"
