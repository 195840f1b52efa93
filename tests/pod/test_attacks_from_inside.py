"""What a hostile program in a real pod tries, with all that a pod gets by default. Each test shows that the pod ran."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from podrun.linux import libseccomp
from tests import names
from tests.pod import manifests, pods
from tests.pod.instance import Instance

READ_ONLY, REFUSED, ABSENT = "Read-only file system", "Operation not permitted", "No such file or directory"
NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000


def number(name: str) -> str:
    return str(libseccomp.number(name, libseccomp.native_architecture()))


def call(name: str, *arguments: int) -> list[str]:
    """A verb of the witness: one system call with numbers for arguments."""
    padded = (*arguments, 0, 0, 0, 0, 0)[:5]
    return ["syscall", number(name), *map(str, padded)]


def tell(*verbs: list[str]) -> list[str]:
    words: list[str] = []
    for verb in verbs:
        words += [*(["then"] if words else []), *verb]
    return words


def answers(node: Instance, pod: str, *verbs: list[str], container: str = "main") -> list[str]:
    return node.exec(pod, "/witness", *tell(*verbs), container=container, check=False).stdout.splitlines()


@pytest.fixture(scope="module")
def inside(node: Instance) -> str:
    """A pod of a witness as root, with the default capabilities."""
    node.apply(manifests.pod("inside", manifests.witness("main", "heed-term", "then", "hang")), wait=True)
    return "inside"


KERNEL_FILES = (
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/irq/default_smp_affinity",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled",
)


@pytest.mark.vm
def test_the_kernels_own_files_cannot_be_written(node: Instance, inside: str) -> None:
    said = answers(node, inside, *(["open", path, "w"] for path in KERNEL_FILES), ["open", "/proc/self/comm", "w"])
    assert said[-1] == "opened", "control: its own files in /proc"
    assert set(said[:-1]) <= {f"open: {READ_ONLY}", f"open: {ABSENT}"}
    assert said.count(f"open: {READ_ONLY}") >= 5
    masked = answers(node, inside, ["cat", "/proc/keys"], ["cat", "/proc/timer_list"], ["ls", "/sys/firmware"],
                     ["cat", "/proc/interrupts"], ["echo", "end"])  # fmt: skip
    assert masked == ["end"] or set(masked) == {f"cat: {ABSENT}", "end"}


@pytest.mark.vm
def test_its_control_groups_cannot_be_changed(node: Instance, inside: str) -> None:
    v2 = node.cgroup_parent.hierarchies.mode == "v2"
    top = "/sys/fs/cgroup" if v2 else "/sys/fs/cgroup/unified"
    files = ("cgroup.procs", "cgroup.subtree_control", "cgroup.freeze", "cgroup.kill")
    paths = [f"{top}/{file}" for file in files]
    paths += ["/sys/fs/cgroup/memory.max"] if v2 else [
        "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/release_agent",
        "/sys/fs/cgroup/memory/notify_on_release", "/sys/fs/cgroup/devices/devices.allow",
    ]  # fmt: skip
    said = answers(node, inside, *(["open", path, "w"] for path in paths), ["mkdir", f"{top}/mine"], ["ls", top])
    assert set(said[: len(paths)]) <= {f"open: {READ_ONLY}", f"open: {ABSENT}"}
    assert said.count(f"open: {READ_ONLY}") >= 4
    assert said[len(paths)] == f"mkdir: {READ_ONLY}"
    assert "cgroup.procs" in said[len(paths) :], "control: it sees its own group"


@pytest.mark.vm
def test_no_mounts_no_namespaces_no_keyrings_no_modules(node: Instance, inside: str) -> None:
    refused = ("unshare", "setns", "pivot_root", "umount2", "open_tree", "fsopen", "move_mount", "keyctl", "add_key",
               "request_key", "bpf", "init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon",
               "open_by_handle_at", "perf_event_open", "userfaultfd", "quotactl", "acct", "settimeofday",
               "io_uring_setup", "iopl", "pidfd_getfd")  # fmt: skip
    known = [name for name in refused if int(number(name)) >= 0]
    arguments = {"unshare": (NEW_USER | NEW_MOUNTS,)}
    said = answers(node, inside, *(call(name, *arguments.get(name, ())) for name in known), ["mount", "tmpfs", "/tmp"])
    assert dict(zip(known, said, strict=False)) == dict.fromkeys(known, f"syscall: {REFUSED}")
    assert said[-1] == f"mount: {REFUSED}"
    clones = answers(node, inside, call("clone", NEW_USER | 17), call("clone3", 0, 0), call("getpid"))
    assert clones[:2] == [f"syscall: {REFUSED}", "syscall: Function not implemented"]
    assert clones[2].startswith("returned "), "control: other calls go through"
    if node.cgroup_parent.hierarchies.mode != "v2":
        # With a user namespace of its own, it could have raised its limits on cgroup v1.
        assert answers(node, inside, ["mount-cgroup", "memory", "/tmp"]) == [f"user namespace: {REFUSED}"]


def test_without_a_filter_each_container_has_a_session_keyring_of_its_own(node: Instance) -> None:
    free = {"seccompProfile": {"type": "Unconfined"}}
    containers = [manifests.witness(name, "hang", securityContext=free) for name in ("one", "two")]
    node.apply(manifests.pod("keyrings", *containers), wait=True)
    session = call("keyctl", 0, -3, 0)  # KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING
    ids = [answers(node, "keyrings", session, ["cat", "/proc/keys"], container=name) for name in ("one", "two")]
    assert all(len(said) == 1 and said[0].startswith("returned ") for said in ids), ids
    assert ids[0] != ids[1]


def test_a_volume_in_place_of_dev_lifts_no_wall(node: Instance) -> None:
    """CVE-2025-31133: what is masked is covered by /dev/null, which must not be the container's."""
    plant = (
        "rm -rf /v/*; ln -s /proc/sysrq-trigger /v/null; ln -s /proc/sys/kernel/core_pattern /v/console; mkdir /v/pts"
    )
    prepare = manifests.busybox("prepare", plant, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    main = manifests.witness("main", "heed-term", "then", "hang", volumeMounts=[{"name": "v", "mountPath": "/dev"}])
    volumes = [{"name": "v", "emptyDir": {}}]
    node.apply(manifests.pod("own-dev", main, initContainers=[prepare], volumes=volumes), wait=True)
    said = answers(node, "own-dev", ["readlink", "/dev/null"], ["cat", "/proc/kcore"], ["cat", "/proc/keys"],
                   ["cat", "/proc/interrupts"], ["open", "/proc/sysrq-trigger", "w"])  # fmt: skip
    assert said[0] == "/proc/sysrq-trigger", "control: the volume is there"
    assert set(said[1:]) <= {f"open: {READ_ONLY}", f"cat: {ABSENT}", f"open: {ABSENT}"}


@pytest.mark.vm
def test_the_machines_devices_stay_shut(node: Instance, inside: str) -> None:
    disk = min(entry.name for entry in Path("/sys/dev/block").iterdir()).split(":")
    said = answers(node, inside, ["mknod-block", "/tmp/disk", *disk], ["open", "/tmp/disk", "r"],
                   ["mknod", "/tmp/mem", "1", "1"], ["open", "/tmp/mem", "r"], ["mknod", "/tmp/kmsg", "1", "11"],
                   ["open", "/tmp/kmsg", "w"], ["open", "/dev/null", "rw"])  # fmt: skip
    assert said == [*["made", f"open: {REFUSED}"] * 3, "opened"]


def test_a_program_gets_at_no_neighbour_of_its_own_machine(node: Instance, inside: str) -> None:
    neighbour = manifests.witness("other", "heed-term", "then", "hang")
    node.apply(manifests.pod("apart", manifests.witness("main", "heed-term", "then", "hang"), neighbour), wait=True)
    seen = answers(node, "apart", ["ps"])
    assert [line.split()[1] for line in seen] == ["witness", "witness"], "its own and the one that looks"
    last = str(node.shim_pid(node.pod("apart")))
    said = answers(node, "apart", ["peek", last], ["kill", last, "9"], ["fds"], ["echo", "end"])
    assert said[:3] == [f"open mem: {ABSENT}", "No such process", "kill: No such process"]
    assert [line.split()[0] for line in said[3:-1]] == ["0", "1", "2"], "no descriptor of anybody else"
    (main,) = (pid for pid in node.container_pids(node.pod("apart")))
    targets = {os.readlink(f"/proc/{main}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{main}/fd")}
    assert targets == {"/dev/null", "pipe"}


@pytest.mark.vm
def test_who_shares_processes_sees_nothing_of_pause_nor_of_who_joins(node: Instance) -> None:
    """As root without CAP_SYS_PTRACE. With it, a container is privileged by intent."""
    stalker = manifests.witness("stalker", "stalk", "/stop", "then", "kill", "1", "9", "then", "hang")
    user = manifests.witness("user", "heed-term", "then", "hang", securityContext={"runAsUser": 1000})
    node.apply(manifests.pod("stalked", stalker, manifests.busybox(), user, shareProcessNamespace=True), wait=True)
    for _ in range(15):
        node.exec("stalked", "true", container="main")
        node.exec("stalked", "/witness", "echo", "joined", container="stalker")
    shut = [["ls", "/proc/1/root"], ["cat", "/proc/1/environ"], ["readlink", "/proc/1/exe"]]
    said = answers(node, "stalked", ["peek", "1"], *shut, ["write", "/stop", ""], container="stalker")
    denied = [f"{verb[0]}: Permission denied" for verb in shut]
    assert said == ["open mem: Permission denied", REFUSED, *denied, "written"]
    seen = answers(node, "stalked", ["ps"], container="user")
    (neighbour,) = (line.split()[0] for line in seen if "stalk" in line)
    said = answers(node, "stalked", ["peek", neighbour], ["kill", neighbour, "9"], container="user")
    assert said == ["open mem: Permission denied", REFUSED, f"kill: {REFUSED}"], "another user's"
    pod = node.wait_for("stalked", lambda pod: "over" in node.log_lines(pod, "stalker"), "the stalker to be through")
    seen = node.log_lines(pod, "stalker")
    assert {"exe /witness", "exe /bin/sh", "denied"} <= set(seen), "control: it looked, and saw the others"
    programs = {"exe /witness", *(f"exe /bin/{name}" for name in ("sh", "sleep", "true", "busybox"))}
    assert set(seen) - programs <= {"denied", "over", "sent", f"kill: {REFUSED}"}
    assert pods.is_running(node.pod("stalked"), "main"), "pause has heeded no signal"
    assert node.exec("stalked", "cat", "/proc/1/comm", container="main").stdout == "pause\n"


@pytest.mark.vm
def test_a_pod_with_the_machines_names_reaches_neither_kubelet_nor_shim(node: Instance) -> None:
    """Abstract sockets belong to the network namespace: with the machine's, a pod reaches those of the machine, as in
    Kubernetes. podrun has none."""
    name = names.unique("podrun-test-abstract-")
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        fields = {"hostPID": True, "hostNetwork": True}
        main = manifests.witness("main", "heed-term", "then", "hang")
        node.apply(manifests.pod("names", main, **fields), manifests.pod("own", main), wait=True)
        assert node.kubelet is not None
        uid = pods.uid(node.pod("names"))
        processes = [str(node.kubelet.pid), str(node.shim_pid(node.pod("names"))), str(node.fork_server_pid())]
        sockets = [str(node.paths.socket), str(node.paths.pod_run_dir(uid) / "shim.sock")]
        tries = [["dial", path[-100:]] for path in sockets]
        for pid in processes:
            tries += [["readlink", f"/proc/{pid}/exe"], ["ls", f"/proc/{pid}/root"], ["cat", f"/proc/{pid}/environ"],
                      ["open", f"/proc/{pid}/fd/1", "w"]]  # fmt: skip
        said = answers(node, "names", *tries, ["cat", f"/proc/{processes[0]}/comm"])
        assert said[:2] == [f"dial: {ABSENT}"] * 2
        shown = [line for line in said[2:-1] if not line.endswith(": Permission denied")]
        assert shown == []
        assert said[-1] == "podrun", "control: it does see the kubelet"
        assert answers(node, "names", ["dial-abstract", name]) == ["connected"]
        assert answers(node, "own", ["dial-abstract", name]) == ["dial: Connection refused"]
    listening = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
    assert not [path for path in listening if path.startswith("@") and node.mark in path]
