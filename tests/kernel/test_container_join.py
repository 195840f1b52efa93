"""Exec: a second process in a running container has its namespaces, root and group, and no more rights."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator

import pytest
from container_stage import Failed, Stage, scratch_pod

from podrun.container import defaults
from podrun.container.plan import Identity, NamespaceMode
from tests.wait import wait_until


@pytest.fixture
def pod() -> Iterator[Stage]:
    with scratch_pod() as stage:
        stage.make_sandbox()
        yield stage


def test_it_shares_all_namespaces_root_and_group(pod: Stage) -> None:
    name = pod.start(pod.plan("write", "/etc/note", "hello", "then", "namespaces", "then", "hang"))
    assert pod.line(name) == "written\n"
    main = [pod.line(name).strip() for _ in range(7)]
    assert pod.exec(name, "namespaces").lines == main
    assert pod.exec(name, "cat", "/etc/note").output == "hello\n"
    lines = pod.exec(name, "ps").lines
    assert [line.split(" ", 1)[1] for line in lines] == [
        "witness witness write /etc/note hello then namespaces then hang",
        "witness witness ps",
    ]
    own, groups = pod.group.child(name), pod.exec(name, "cat", "/proc/self/cgroup").lines
    limited = {controller for controller in own.hierarchies.v1_controllers if controller != "cpuset"}
    inside = [line for line in groups if line.startswith("0::") or limited & set(line.split(":")[1].split(","))]
    assert {line.rpartition(":")[2] for line in inside} == {"/"}


def test_it_has_the_rights_of_the_plan_and_no_descriptors(pod: Stage) -> None:
    name = pod.start(pod.plan("hang"))
    seen = dict(line.split(":\t") for line in pod.exec(name, "caps").lines)
    assert (seen["CapEff"], seen["CapBnd"], seen["SigIgn"]) == ("00000000a80425fb", "00000000a80425fb", "0" * 16)
    assert [line.split()[0] for line in pod.exec(name, "fds").lines] == ["0", "1", "2"]
    web = Identity(user="web", capabilities=defaults.DEFAULT_CAPABILITIES)
    assert pod.exec(name, "ids", identity=web).output.startswith("uid=1234 euid=1234 gid=2345")
    assert "deathsig=9" in pod.exec(name, "self", identity=web).output
    assert pod.exec(name, "stdin", stdin="through\n").output == "through\n"
    assert pod.exec(name, "exit", "9").code == 9


def test_with_a_terminal_it_is_the_controlling_one(pod: Stage) -> None:
    name = pod.start(pod.plan("hang"))
    ended = pod.exec(name, "self", "then", "stat", "/proc/self/fd/0", tty=True, identity=Identity(user="web"))
    seen = dict(pair.split("=", 1) for pair in ended.lines[0].split())
    assert seen["sid"] == seen["pid"]
    assert seen["tty"] != "none"


def test_it_works_in_a_shared_pid_namespace() -> None:
    with scratch_pod() as pod:
        pod.make_sandbox(pid=NamespaceMode.POD)
        name = pod.start(pod.plan("hang", pid=NamespaceMode.POD))

        def shown() -> list[str]:
            return [line.split()[1] for line in pod.exec(name, "ps").lines]

        wait_until(lambda: shown() == ["pause", "witness", "witness"], "all to be shown, each as its program")


def test_it_dies_with_the_first_process_of_a_private_pid_namespace(pod: Stage) -> None:
    name = pod.start(pod.plan("hang"))
    pod.ask("exec", pod.exec_plan(name, "hang"), stdin=None, name="second", container=name)
    pod.ask("signal", name=name, number=signal.SIGKILL)
    assert pod.wait("second").signal == signal.SIGKILL


def test_a_container_that_has_ended_cannot_be_joined(pod: Stage) -> None:
    name = pod.start(pod.plan("hang"))
    pod.ask("signal", name=name, number=signal.SIGKILL)
    assert pod.group.child(name).wait_empty(60)
    with pytest.raises(Failed) as caught:
        pod.exec(name, "ids")
    assert (caught.value.step, caught.value.errno) == ("clone", errno.ESRCH)


def test_a_command_that_is_not_there_is_told_in_the_usual_words(pod: Stage) -> None:
    name = pod.start(pod.plan("hang"))
    with pytest.raises(Failed) as caught:
        pod.exec(name, argv=("nothing",))
    assert caught.value.message == 'exec: "nothing": executable file not found in $PATH'
