"""Figures of real groups, and being woken when a group changes."""

from __future__ import annotations

import errno
import os
import select
import sys

import pytest
from cgroup_scratch import PATIENCE, begin, running, scratch_group

from cgroups import events
from cgroups.errors import CgroupError

WORK = """
input()
held = bytearray(30 << 20)
begun = time.process_time()
while time.process_time() - begun < 0.05: pass
print("done", flush=True)
input()
"""


def test_stats_show_the_processor_memory_and_processes_that_a_group_uses() -> None:
    with scratch_group() as top:
        group = top.child("c")
        group.create()
        with running(group, sys.executable, "-c", "import time" + WORK) as process:
            before = group.stats()
            begin(process)
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            after = group.stats()
            assert after.cpu_usage_us - before.cpu_usage_us > 10_000
            assert after.cpu_usage_us >= after.cpu_user_us
            assert after.memory_usage > 30 << 20
            assert 30 << 20 < after.memory_working_set <= after.memory_usage
            assert after.memory_rss > 30 << 20
            assert after.memory_peak is None or after.memory_peak >= after.memory_working_set
            assert after.pids == 1
            assert top.stats().memory_usage >= 30 << 20


def test_a_new_group_has_used_nothing() -> None:
    with scratch_group() as group:
        stats = group.stats()
        assert (stats.cpu_usage_us, stats.pids, stats.cpu_throttled_periods, stats.memory_rss) == (0, 0, 0, 0)
        assert group.oom_kills() == 0


def test_the_figures_of_a_missing_group_are_an_error() -> None:
    with scratch_group(create=False) as group:
        with pytest.raises(CgroupError, match="cannot read the statistics") as raised:
            group.stats()
        assert raised.value.errno == errno.ENOENT
        with pytest.raises(CgroupError, match="cannot read the OOM kills"):
            group.oom_kills()


def test_an_epoll_loop_is_woken_when_the_last_process_leaves() -> None:
    with scratch_group() as group, running(group, "sleep", "1000"):
        descriptor = events.open_events(group.directory)
        try:
            with select.epoll() as epoll:
                epoll.register(descriptor, select.EPOLLPRI)
                assert events.read_events(descriptor)["populated"] == 1
                group.kill()
                while events.read_events(descriptor)["populated"]:
                    assert epoll.poll(PATIENCE), "no event came"
        finally:
            os.close(descriptor)


def test_the_events_of_a_removed_group_are_empty() -> None:
    with scratch_group() as group:
        descriptor = events.open_events(group.directory)
        try:
            group.remove()
            assert events.read_events(descriptor) == {}
        finally:
            os.close(descriptor)
