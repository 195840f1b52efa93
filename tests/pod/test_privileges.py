"""What programs may do: capabilities, no_new_privs, a read-only root, privileged, the machine's namespaces, sysctls."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.container import defaults
from podrun.kubelet import app_armor
from podrun.linux import capabilities
from tests import wait
from tests.pod import manifests, pods
from tests.pod.conftest import MakeInstance
from tests.pod.instance import Instance

Json = manifests.Json


def guarded(name: str, script: str = manifests.SLEEP, mounts: tuple[Json, ...] = (), **context: object) -> Json:
    return manifests.busybox(name, script, securityContext=context, volumeMounts=list(mounts))


def status_field(node: Instance, pod: str, container: str, field: str) -> str:
    """Of the main program, proc_pid_status(5)."""
    return node.exec(pod, "grep", f"^{field}:", "/proc/1/status", container=container).stdout.split()[1]


def known(mask: int) -> int:
    """Without what this machine does not have itself."""
    bounding = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    return mask & int(bounding.split()[1], 16)


@pytest.mark.vm
def test_capabilities_are_dropped_and_added(node: Instance) -> None:
    node.apply(
        manifests.pod(
            "capabilities",
            guarded("plain"),
            guarded("some", capabilities={"add": ["NET_ADMIN", "cap_sys_time"], "drop": ["MKNOD", "CAP_KILL"]}),
            guarded("only", capabilities={"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}),
            guarded("all", capabilities={"add": ["all"], "drop": ["SYS_ADMIN"]}),
            guarded("user", runAsUser=1000, allowPrivilegeEscalation=False),
        ),
        wait=True,
    )
    some = defaults.DEFAULT_CAPABILITIES | capabilities.mask("NET_ADMIN", "SYS_TIME")
    expected = {
        "plain": defaults.DEFAULT_CAPABILITIES,
        "some": some & ~capabilities.mask("MKNOD", "KILL"),
        "only": capabilities.mask("NET_BIND_SERVICE"),
        "all": known(-1) & ~capabilities.mask("SYS_ADMIN"),
    }
    for name, mask in expected.items():
        assert int(status_field(node, "capabilities", name, "CapEff"), 16) == mask, name
        assert int(status_field(node, "capabilities", name, "CapBnd"), 16) == mask, name
        own = node.exec("capabilities", "grep", "^CapEff", "/proc/self/status", container=name).stdout
        assert int(own.split()[1], 16) == mask, f"exec into {name}"
    assert int(status_field(node, "capabilities", "user", "CapPrm"), 16) == 0
    assert [status_field(node, "capabilities", name, "NoNewPrivs") for name in ("plain", "user")] == ["0", "1"]


def test_a_capability_that_nobody_knows_is_an_error(node: Instance) -> None:
    node.apply(manifests.pod("unknown", guarded("main", capabilities={"add": ["CAP_FLY"]})))
    pod = node.wait_for("unknown", lambda pod: pods.waiting(pod).get("message"), "to be refused")
    assert pods.waiting(pod) == {"reason": "CreateContainerError", "message": 'unknown capability: "CAP_FLY"'}


@pytest.mark.vm
def test_a_read_only_root_leaves_volumes_and_the_systems_own_writable(node: Instance) -> None:
    tries = "for f in /new /etc/new /v/new /dev/shm/new /dev/new /etc/hosts /dev/termination-log /tmp/new; do "
    script = tries + "(echo x >> $f) 2>/dev/null && echo $f; done; pwd"
    container = guarded("main", script, ({"name": "v", "mountPath": "/v"},), readOnlyRootFilesystem=True)
    volumes = [{"name": "v", "emptyDir": {}}]
    made = container | {"workingDir": "/not/there/yet"}
    node.apply(manifests.pod("read-only", made, volumes=volumes, restartPolicy="Never"))
    node.wait_for("read-only", pods.has_ended, "to have tried all")
    written = ["/v/new", "/dev/shm/new", "/dev/new", "/etc/hosts", "/dev/termination-log"]
    assert node.logs("read-only") == [*written, "/not/there/yet"]


@pytest.mark.vm
def test_a_privileged_container_has_the_machine(node: Instance) -> None:
    node.apply(manifests.pod("privileged", guarded("main", privileged=True), guarded("plain")), wait=True)
    run = "head -c 0 /dev/kmsg && echo open; echo 1 > /proc/sys/net/ipv4/ip_forward && echo sysctl; "
    run += "top=/sys/fs/cgroup; [ -d $top/unified ] && top=$top/unified; mkdir $top/inner && echo cgroup; "
    run += "mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted"
    allowed = node.exec("privileged", "sh", "-c", run, container="main").stdout.split()
    assert allowed == ["open", "sysctl", "cgroup", "mounted"]
    assert node.exec("privileged", "sh", "-c", run, container="plain", check=False).stdout.split() == []
    assert int(status_field(node, "privileged", "main", "CapEff"), 16) == known(-1)
    assert status_field(node, "privileged", "main", "Seccomp") == "0"
    assert status_field(node, "privileged", "plain", "Seccomp") == "2"
    seen = set(node.exec("privileged", "ls", "/dev", container="main").stdout.split())
    nodes = {e.name for e in os.scandir("/dev") if Path(e.path).is_char_device() or Path(e.path).is_block_device()}
    assert {name for name in nodes if not Path("/dev", name).is_symlink()} - {"console"} <= seen
    assert node.exec("privileged", "ls", "/proc/acpi", container="main", check=False).stdout == (
        "".join(f"{name}\n" for name in sorted(os.listdir("/proc/acpi"))) if Path("/proc/acpi").exists() else ""
    )


@pytest.mark.vm
def test_a_pod_may_share_the_machines_namespaces(node: Instance) -> None:
    fields = {"hostPID": True, "hostIPC": True, "hostNetwork": True}
    node.apply(manifests.pod("shared", **fields), manifests.pod("apart"), wait=True)
    kinds = ("pid", "ipc", "net", "uts", "mnt", "cgroup")
    script = "; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds)
    own = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    seen = {name: node.exec(name, "sh", "-c", script).stdout.split() for name in ("shared", "apart")}
    assert seen["shared"][:4] == own[:4]
    assert set(seen["shared"][4:]).isdisjoint(own)
    assert set(seen["apart"]).isdisjoint(own)
    pod = node.pod("shared")
    pid = str(node.container_pids(pod)[0])
    assert node.exec("shared", "cat", f"/proc/{pid}/cmdline").stdout.startswith("sh\0-c\0"), "its own, as we see it"
    probe = Path("/dev/shm") / f"seen-{node.mark}"
    probe.touch()
    try:
        assert node.exec("shared", "ls", str(probe)).stdout == f"{probe}\n"
    finally:
        probe.unlink()


def set_to(**values: str) -> Json:
    return {"sysctls": [{"name": name.replace("__", "."), "value": value} for name, value in values.items()]}


@pytest.mark.vm
def test_safe_sysctls_are_set_and_others_are_forbidden(node: Instance) -> None:
    safe = set_to(net__ipv4__tcp_syncookies="0", kernel__shm_rmid_forced="1")
    node.apply(manifests.pod("safe", securityContext=safe), wait=True)
    read = "cat /proc/sys/net/ipv4/tcp_syncookies /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ping_group_range"
    assert node.exec("safe", "sh", "-c", read).stdout.split() == ["0", "1", "0", "2147483647"]
    node.submit(manifests.pod("unsafe", securityContext=set_to(net__core__somaxconn="100")))
    pod = node.wait_for("unsafe", lambda pod: pods.phase(pod) == "Failed", "to be rejected")
    said = 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    assert (pod["status"]["reason"], pod["status"]["message"]) == ("SysctlForbidden", f"Pod was rejected: {said}")
    assert "containerStatuses" not in pod["status"]
    assert f"SysctlForbidden {said}" in node.events("unsafe")
    assert "SysctlForbidden" in node.run("get", "pod", "unsafe").stdout


def test_the_nodes_settings_open_sysctls_lift_seccomp_and_limit_pids(make_instance: MakeInstance) -> None:
    settings = {"allowed_unsafe_sysctls": "net.core.*", "seccomp_default": "Unconfined", "pod_max_pids": "50"}
    with make_instance(**settings) as node:
        context = set_to(net__core__somaxconn="100")
        asked = guarded("asked", seccompProfile={"type": "RuntimeDefault"})
        bomb = guarded("bomb", "bomb() { bomb | bomb & }; bomb; while true; do sleep 1; done", runAsUser=1234)
        node.apply(manifests.pod("open", guarded("main"), asked, securityContext=context), wait=True)
        assert node.exec("open", "cat", "/proc/sys/net/core/somaxconn", container="main").stdout == "100\n"
        assert [status_field(node, "open", name, "Seccomp") for name in ("main", "asked")] == ["0", "2"]
        node.apply(manifests.pod("bomb", bomb))
        pod = node.wait_for("bomb", lambda pod: pod["status"].get("qosClass"), "to be there")
        wait.wait_until(lambda: any("can't fork" in line for line in node.log_lines(pod, "bomb")), "the bomb to go off")
        most = 50 + (os.cpu_count() or 1)  # one that is being refused is counted for a moment, on each processor
        assert node.pod_group(pod).stats().pids <= most
        assert node.exec("open", "echo", "fine", container="main").stdout == "fine\n"
        node.run("delete", "pod", "bomb", "--now")


@pytest.mark.vm
def test_app_armor_confines_where_the_machine_has_it_and_is_an_error_elsewhere(node: Instance) -> None:
    if not app_armor.is_enabled():
        context = {"appArmorProfile": {"type": "RuntimeDefault"}}
        node.submit(manifests.pod("armored", securityContext=context))
        pod = node.wait_for("armored", pods.has_ended, "to be rejected")
        said = "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"
        assert (pod["status"]["reason"], pod["status"]["message"]) == ("AppArmor", said)
        return
    mighty = {"capabilities": {"add": ["SYS_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}}
    loaded = {"type": "Localhost", "localhostProfile": "podrun-default"}  # by the container before
    types = {"default": {"type": "RuntimeDefault"}, "free": {"type": "Unconfined"}, "loaded": loaded}
    containers = (guarded(name, appArmorProfile=profile, **mighty) for name, profile in types.items())
    absent = guarded("absent", appArmorProfile={"type": "Localhost", "localhostProfile": "nobodys"})
    node.apply(manifests.pod("armored", *containers), manifests.pod("absent", absent))
    node.wait_for("armored", pods.is_ready, "to be ready")
    mounting = "cat /proc/self/attr/current; mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted"
    for name in ("loaded", "default"):
        confined = node.exec("armored", "sh", "-c", mounting, container=name, check=False)
        assert (confined.stdout, "denied" in confined.stderr) == ("podrun-default (enforce)\n", True), confined.stderr
    assert node.exec("armored", "cat", "/proc/1/attr/current", container="default").stdout == confined.stdout
    assert node.exec("armored", "sh", "-c", mounting, container="free").stdout == "unconfined\nmounted\n"
    pod = node.wait_for("absent", lambda pod: pods.waiting(pod, "absent").get("message"), "to be refused")
    assert pods.waiting(pod, "absent")["message"] == "apparmor profile not found nobodys"
