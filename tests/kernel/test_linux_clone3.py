"""clone3: namespaces and cgroup from the first instruction, and the refusal where it would hang."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
from forked import in_child

from cgroups import hierarchies
from cgroups.group import Group
from podrun.linux import namespaces, pidfd
from podrun.linux.clone3 import CloneFlag, clone3


@pytest.fixture
def group() -> Iterator[Group]:
    group = Group(f"/podrun-test-{uuid.uuid4().hex[:12]}", hierarchies.current())
    group.create(limited=False)
    yield group
    group.remove(60)


def answer_of(flags: CloneFlag, cgroup: int, question: Callable[[], object]) -> str:
    """What a clone says. The caller has one thread."""
    read_end, write_end = os.pipe()
    pid, child = clone3(flags, cgroup)
    if pid == 0:
        os.write(write_end, str(question()).encode())
        os._exit(0)
    os.close(write_end)
    assert pidfd.reap(child, wait=True) == pidfd.Ended(0, 0)
    return os.read(read_end, 1000).decode()


def test_a_child_is_the_first_process_of_its_namespace() -> None:
    assert in_child(lambda: answer_of(CloneFlag.NEWPID, -1, os.getpid)) == "1"


def test_a_child_is_born_into_a_group(group: Group) -> None:
    def ask() -> str:
        descriptor = group.open_for_clone()
        return answer_of(CloneFlag(0), descriptor, lambda: group.pids() == [os.getpid()])

    assert in_child(ask) == "True"


def test_children_can_be_born_into_another_pid_namespace_and_later_ones_not() -> None:
    def ask() -> tuple[str, str]:
        held, hold = os.pipe()
        pid, first = clone3(CloneFlag.NEWPID)
        if pid == 0:
            os.close(hold)
            os.read(held, 1)
            os._exit(0)
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        namespaces.setns(first, CloneFlag.NEWPID)
        there = answer_of(CloneFlag(0), -1, os.getpid)
        namespaces.setns(own, CloneFlag.NEWPID)
        here = answer_of(CloneFlag(0), -1, os.getpid)
        os.close(hold)
        pidfd.reap(first, wait=True)
        return there, str(int(here) > 2)

    assert in_child(ask) == ("2", "True")


def test_a_failure_names_the_call_and_its_flags() -> None:
    def ask() -> str:
        try:
            clone3(CloneFlag.NEWPID, os.open("/", os.O_RDONLY))
        except OSError as error:
            return str(error)
        return "no failure"

    assert in_child(ask).startswith("clone3(NEWPID): ")


def test_a_process_with_two_threads_is_refused() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="one thread"):
            clone3(CloneFlag(0))
    finally:
        over.set()
        thread.join()
