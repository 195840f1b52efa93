"""Starting containers: whose namespaces they are in, who they are, what they were given, and what a failure says."""

from __future__ import annotations

import errno
import os
import select
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_stage import ENVIRONMENT, PATIENCE, Failed, Stage, scratch_pod

from cgroups.limits import Limits
from podrun.container import defaults
from podrun.container.plan import Identity, NamespaceMode, Rlimit
from podrun.linux import pidfd


@pytest.fixture(scope="module")
def pod() -> Iterator[Stage]:
    """One pod with private PID namespaces; tests only start containers in it."""
    with scratch_pod() as stage:
        stage.make_sandbox(hostname="scratch-host")
        yield stage


@pytest.fixture
def fresh() -> Iterator[Stage]:
    with scratch_pod() as stage:
        yield stage


def namespaces_of(text: list[str]) -> dict[str, str]:
    return dict(line.split(":", 1) for line in text)


def own_namespaces(pid: int | str = "self") -> dict[str, str]:
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    return namespaces_of([os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds])


def fields(line: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in line.split())


def test_two_containers_of_a_pod_share_net_ipc_uts_and_nothing_else(pod: Stage) -> None:
    names = [pod.start(pod.plan("namespaces", "then", "hang")) for _ in range(2)]  # both alive: no number is used again
    first, second = (namespaces_of([pod.line(name).strip() for _ in range(7)]) for name in names)
    for name in names:
        pod.ask("signal", name=name, number=signal.SIGKILL)
        pod.wait(name)
    shared = {kind for kind in first if first[kind] == second[kind]}
    assert shared == {"net", "ipc", "uts", "user"}
    machine = own_namespaces()
    assert {kind for kind in first if first[kind] == machine[kind]} == {"user"}


def test_containers_with_the_hosts_namespaces_see_the_host(fresh: Stage) -> None:
    host = NamespaceMode.HOST
    fresh.make_sandbox(net=host, ipc=host, uts=host)
    seen = namespaces_of(fresh.run("namespaces", net=host, ipc=host, uts=host, pid=host).lines)
    machine = own_namespaces()
    assert {kind for kind in seen if seen[kind] == machine[kind]} == {"net", "ipc", "uts", "user", "pid"}


def test_a_container_has_the_pods_host_name_and_is_its_own_session(pod: Stage) -> None:
    seen = fields(pod.run("self").output)
    assert seen["host"] == "scratch-host"
    assert (seen["pid"], seen["ppid"], seen["sid"], seen["tty"]) == ("1", "0", "1", "none")
    assert (seen["umask"], seen["cwd"]) == ("0022", "/")


def test_a_container_is_in_its_own_limited_group(pod: Stage) -> None:
    plan = pod.plan("cat", "/proc/self/cgroup", "then", "hang", limits=Limits(pids_max=77, memory_max=64 << 20))
    name = pod.start(plan)
    own = pod.group.child(name)
    assert own.populated()
    assert own.stats().pids == 1
    lines = [pod.line(name) for _ in Path("/proc/self/cgroup").read_text().splitlines()]
    assert "0::/\n" in lines, "a cgroup namespace of its own"
    for controller in own.hierarchies.v1_controllers:
        if controller != "cpuset":
            assert any(line.endswith(":/\n") and controller in line.split(":")[1].split(",") for line in lines)
    pod.ask("signal", name=name, number=signal.SIGKILL)
    assert pod.wait(name).signal == signal.SIGKILL


def test_only_the_standard_streams_are_open(pod: Stage) -> None:
    lines = pod.run("fds").lines
    assert [line.split()[0] for line in lines] == ["0", "1", "2"]
    assert lines[0] == "0 /dev/null"
    assert lines[1].startswith("1 pipe:")


def test_standard_input_is_what_was_given(pod: Stage) -> None:
    assert pod.run("stdin", stdin="hello\n").output == "hello\n"


def test_signals_are_as_a_new_program_expects_them(pod: Stage) -> None:
    seen = dict(line.split(":\t") for line in pod.run("caps").lines)
    assert {seen[name] for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd")} == {"0" * 16}


def test_root_gets_the_default_capabilities_and_no_more(pod: Stage) -> None:
    seen = dict(line.split(":\t") for line in pod.run("caps").lines)
    assert (seen["CapEff"], seen["CapPrm"], seen["CapBnd"]) == ("00000000a80425fb",) * 3
    assert (seen["CapInh"], seen["CapAmb"]) == ("0" * 16, "0" * 16)
    assert seen["NoNewPrivs"] == "0"


def test_another_user_has_no_capabilities_but_keeps_the_bounding_set(pod: Stage) -> None:
    who = Identity(user="1000", capabilities=defaults.DEFAULT_CAPABILITIES, no_new_privs=True)
    seen = dict(line.split(":\t") for line in pod.run("caps", identity=who).lines)
    assert (seen["CapEff"], seen["CapPrm"], seen["CapBnd"]) == ("0" * 16, "0" * 16, "00000000a80425fb")
    assert seen["NoNewPrivs"] == "1"


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (Identity(), "uid=0 euid=0 gid=0 egid=0 groups=0"),
        (Identity(user="web"), "uid=1234 euid=1234 gid=2345 egid=2345 groups=2345,3000"),
        (Identity(user="1234"), "uid=1234 euid=1234 gid=2345 egid=2345 groups=2345,3000"),
        (Identity(user="web", image_groups=False, groups=(7,)), "uid=1234 euid=1234 gid=2345 egid=2345 groups=7,2345"),
        (Identity(user="web", group="other"), "uid=1234 euid=1234 gid=3001 egid=3001 groups=3000,3001"),
        (Identity(user="77"), "uid=77 euid=77 gid=0 egid=0 groups=0"),
        (Identity(user="77", group="88", groups=(99,)), "uid=77 euid=77 gid=88 egid=88 groups=88,99"),
    ],
)
def test_users_and_groups_are_those_of_the_image(pod: Stage, who: Identity, expected: str) -> None:
    name = pod.start(pod.plan("ids", identity=who))
    told = pod.last
    assert pod.wait(name).output.strip() == expected
    assert f"uid={told['uid']} euid={told['uid']} gid={told['gid']} " in expected
    assert sorted(told["groups"]) == [int(group) for group in expected.partition("groups=")[2].split(",")]


def test_a_user_may_open_his_own_streams_again(pod: Stage) -> None:
    assert pod.run("open", "/dev/stdout", "w", identity=Identity(user="1000")).output == "opened\n"


def test_home_comes_from_the_image_unless_it_is_given(pod: Stage) -> None:
    assert "HOME=/home/web" in pod.run("env", identity=Identity(user="web")).lines
    assert "HOME=/" in pod.run("env", identity=Identity(user="77")).lines
    assert "HOME=/x=y" in pod.run("env", identity=Identity(user="web"), env=(*ENVIRONMENT, "HOME=/x=y")).lines


def test_a_missing_working_directory_is_made(pod: Stage) -> None:
    output = pod.run("self", "then", "stat", "/srv/deep/er", cwd="/srv/deep/er").lines
    assert fields(output[0])["cwd"] == "/srv/deep/er"
    assert output[1].startswith("dir 0755 0:0")


def test_limits_are_set_as_far_as_the_machine_allows(pod: Stage) -> None:
    limits = (Rlimit("NOFILE", 100, 200), Rlimit("CORE", 0, 0))
    lines = pod.run("cat", "/proc/self/limits", rlimits=limits).lines
    assert any(line.split()[:5] == ["Max", "open", "files", "100", "200"] for line in lines)
    assert any(line.split()[:6] == ["Max", "core", "file", "size", "0", "0"] for line in lines)
    name = pod.start(pod.plan("cat", "/proc/self/oom_score_adj", rlimits=(Rlimit("NPROC", 50, -1),), oom_score_adj=937))
    assert pod.wait(name).output == "937\n"


def test_a_lower_oom_score_is_set_or_its_refusal_noted(pod: Stage) -> None:
    name = pod.start(pod.plan("cat", "/proc/self/oom_score_adj", oom_score_adj=-500))
    notes = pod.last["notes"]
    score = int(pod.wait(name).output)
    assert score == -500 or "oom_score_adj stays" in notes[0]


def test_a_seccomp_program_is_in_force_for_every_user(pod: Stage) -> None:
    allow = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # BPF_RET, SECCOMP_RET_ALLOW
    for who in (Identity(), Identity(user="1000"), Identity(user="1000", no_new_privs=True)):
        seen = dict(line.split(":\t") for line in pod.run("caps", seccomp=allow, identity=who).lines)
        assert seen["Seccomp"] == "2"
        assert seen["CapEff"] == "0" * 16


def test_the_exit_code_is_the_programs(pod: Stage) -> None:
    assert pod.run("exit", "37").code == 37


# Failures


def failure(pod: Stage, *argv: str, **changed: object) -> Failed:
    plan = pod.plan(*argv, **changed)
    with pytest.raises(Failed) as caught:
        pod.start(plan)
    pod.wait(f"c{plan.attempt}")
    return caught.value


@pytest.mark.parametrize(
    ("argv", "number", "words"),
    [
        (("nowhere",), errno.ENOENT, 'exec: "nowhere": executable file not found in $PATH'),
        (("",), errno.ENOENT, 'exec: "": executable file not found in $PATH'),
        (("/bin/absent",), errno.ENOENT, 'exec: "/bin/absent": no such file or directory'),
        (("/etc",), errno.EISDIR, 'exec: "/etc": is a directory'),
        (("/etc/passwd",), errno.EACCES, 'exec: "/etc/passwd": permission denied'),
        (("/bin/empty",), errno.ENOEXEC, 'exec: "/bin/empty": exec format error'),
        (("/bin/script",), errno.ENOENT, 'exec: "/bin/script": no such file or directory'),
    ],
)
def test_a_command_that_cannot_run_is_told_in_the_usual_words(
    pod: Stage, argv: tuple[str, ...], number: int, words: str
) -> None:
    for name, content in (("empty", ""), ("script", "#!/no/interpreter\n")):
        (pod.image / "bin" / name).write_text(content)
        (pod.image / "bin" / name).chmod(0o755)
    told = failure(pod, argv=argv)
    assert (told.step, told.errno, told.message) == ("execute", number, words)


def test_an_unknown_user_or_group_is_named(pod: Stage) -> None:
    told = failure(pod, "ids", identity=Identity(user="nemo"))
    assert (told.step, told.message) == (
        "find user",
        "unable to find user nemo: no matching entries in passwd file",
    )
    told = failure(pod, "ids", identity=Identity(user="0", group="fish"))
    assert told.message == "unable to find group fish: no matching entries in group file"


def test_a_failed_overlay_says_what_was_tried(pod: Stage) -> None:
    plan = pod.plan("ids")
    os.rmdir(plan.root.work)
    with pytest.raises(Failed) as caught:
        pod.start(plan)
    pod.wait(f"c{plan.attempt}")
    assert caught.value.step == "build root"
    assert caught.value.errno == errno.ENOENT
    assert "mount('overlay'" in caught.value.message


def test_a_group_that_cannot_be_limited_leaves_nothing_behind(pod: Stage) -> None:
    plan = pod.plan("ids", limits=Limits(cpuset_cpus="4000"))
    with pytest.raises(Failed) as caught:
        pod.start(plan)
    assert caught.value.step == "create cgroup"
    assert not pod.group.child(f"c{plan.attempt}").exists()


def test_a_container_cannot_join_a_pod_whose_pause_has_died(fresh: Stage) -> None:
    fresh.make_sandbox()
    fresh.ask("signal", name="pause", number=signal.SIGKILL)
    fresh.ask("wait", name="pause")
    told = failure(fresh, "ids")
    assert (told.step, told.errno) == ("join pod namespaces", errno.ESRCH)


# Lives


def test_containers_and_pause_die_with_their_shim(fresh: Stage) -> None:
    pause = os.pidfd_open(fresh.make_sandbox()["pid"])
    who = Identity(user="1000")  # the change of identity clears the parent's death signal
    for plan in (fresh.plan("hang"), fresh.plan("hang", identity=who)):
        fresh.start(plan)
    children = [pause, *(os.pidfd_open(pid) for pid in fresh.group.child("c1").pids() + fresh.group.child("c2").pids())]
    assert len(children) == 3
    fresh.shim.kill()
    for child in children:
        assert wait_for_end(child)
        os.close(child)
    fresh.shim.wait(PATIENCE)


def wait_for_end(child: int) -> bool:
    return bool(select.select([child], [], [], PATIENCE)[0]) and pidfd.has_ended(child)
