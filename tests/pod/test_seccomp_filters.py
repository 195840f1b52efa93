"""The system calls of real containers under the default filter, under profiles of the user's own, and under none."""

from __future__ import annotations

import json

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import Instance

Json = manifests.Json


def confined(name: str, script: str = manifests.SLEEP, profile: Json | None = None, **context: object) -> Json:
    chosen = {"seccompProfile": profile} if profile else {}
    return manifests.busybox(name, script, securityContext=context | chosen)


def mode(node: Instance, pod: str, container: str, process: str = "1") -> str:
    status = node.exec(pod, "grep", "^Seccomp:", f"/proc/{process}/status", container=container).stdout
    return status.split()[1]


@pytest.mark.vm
def test_the_default_filter_is_there_unless_it_is_declined(node: Instance) -> None:
    node.apply(
        manifests.pod(
            "filters",
            confined("nothing"),
            confined("asked", profile={"type": "RuntimeDefault"}, allowPrivilegeEscalation=False, runAsUser=1000),
            confined("user", runAsUser=1000),
            confined("none", profile={"type": "Unconfined"}),
            confined("privileged", privileged=True, profile={"type": "RuntimeDefault"}),
        ),
        wait=True,
    )
    expected = {"nothing": "2", "asked": "2", "user": "2", "none": "0", "privileged": "0"}
    assert {name: mode(node, "filters", name) for name in expected} == expected
    assert {name: mode(node, "filters", name, "self") for name in expected} == expected, "an exec is filtered alike"
    escapes = "unshare -U true 2>&1 || echo refused"
    assert "refused" in node.exec("filters", "sh", "-c", escapes, container="nothing").stdout
    assert "refused" in node.exec("filters", "sh", "-c", escapes, container="user").stdout
    assert node.exec("filters", "sh", "-c", escapes, container="none").stdout == ""
    capable = node.exec("filters", "grep", "^Cap[PEI]", "/proc/1/status", container="user").stdout.split()
    assert capable[1::2] == ["0" * 16] * 3, "what loading the filter took is gone"


@pytest.mark.vm
def test_a_profile_of_the_users_own(node: Instance) -> None:
    root = node.paths.seccomp
    (root / "team").mkdir(parents=True)
    forbidden = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}
    (root / "team" / "no-mkdir.json").write_text(
        json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [forbidden]})
    )
    strict = ["execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlink",
              "readlinkat", "getrandom", "mprotect", "mmap", "munmap", "write", "exit_group", "getuid", "setuid",
              "getgid", "setgid", "prctl", "uname", "fstat", "newfstatat", "poll", "rt_sigaction"]  # fmt: skip
    allowed = {"names": strict, "action": "SCMP_ACT_ALLOW"}
    (root / "strict.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [allowed]}))
    (root / "broken.json").write_text("{")
    (root / "leads-out.json").symlink_to("/etc/passwd")

    def local(name: str, **fields: object) -> Json:
        return confined(name, profile={"type": "Localhost", "localhostProfile": f"{name}.json"}, **fields)  # type: ignore[arg-type]

    own = local("team/no-mkdir") | {"name": "own"}
    echo = local("strict", runAsUser=1000) | {"command": ["/bin/busybox", "echo", "said"]}
    node.apply(manifests.pod("own", own), manifests.pod("strict", echo, restartPolicy="Never"), wait=True)
    refused = node.exec("own", "sh", "-c", "mkdir /new; echo $?")
    assert refused.stdout == "1\n"
    assert "Permission denied" in refused.stderr
    assert node.logs("strict") == ["said"], "podrun itself needs none of the calls between filter and exec"
    node.submit(manifests.pod("wrong", local("absent"), local("broken"), local("leads-out")))
    pod = node.wait_for(
        "wrong",
        lambda pod: all(pods.waiting(pod, name).get("message") for name in ("absent", "broken", "leads-out")),
        "to be refused",
    )
    said = {name: pods.waiting(pod, name)["message"] for name in ("absent", "broken", "leads-out")}
    assert said["absent"] == f"cannot load seccomp profile {root}/absent.json: No such file or directory"
    assert said["broken"].startswith("cannot load seccomp profile: not JSON")
    assert said["leads-out"].startswith(f"cannot load seccomp profile {root}/leads-out.json: ")
    assert pods.waiting(pod, "absent")["reason"] == "CreateContainerError"
