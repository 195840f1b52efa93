"""Parts of volumes, read-only and propagated mounts, as containers of a real pod see them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from podrun.linux import mountinfo
from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance

EMPTY = {"name": "v", "emptyDir": {}}


def mounted(path: str = "/data", **fields: object) -> list[dict[str, object]]:
    return [{"name": "v", "mountPath": path, **fields}]


@pytest.mark.vm
def test_a_container_gets_the_part_of_a_volume_that_it_names(node: Instance) -> None:
    env = [{"name": "POD", "value": "from-env"}, {"name": "PART", "value": "$(POD)/x"}]
    read = "cat /dir/file /file /short/file; echo made > /expr/note; ls -ld /expr | cut -c1-10; "
    write = "mkdir -p /all/sub; echo one > /all/sub/file; ln -s sub /all/short"
    node.apply(
        manifests.pod(
            "parts",
            manifests.busybox(
                "reader",
                read + manifests.SLEEP,
                env=env,
                volumeMounts=[
                    *mounted("/dir", subPath="sub"),
                    *mounted("/file", subPath="sub/file"),
                    *mounted("/short", subPath="short"),
                    *mounted("/expr", subPathExpr="deep/$(PART)"),
                ],
            ),
            initContainers=[manifests.busybox("writer", write, volumeMounts=mounted("/all"))],
            volumes=[EMPTY],
        ),
        wait=True,
    )
    pod = node.pod("parts")
    wanted = ["one", "one", "one", "drwxrwxrwx"]
    wait.wait_until(lambda: node.log_lines(pod, "reader") == wanted, "the container to tell what it sees")
    volume = node.paths.pod_dir(pods.uid(pod)) / "volumes" / "empty-dir" / "v"
    assert (volume / "deep" / "from-env" / "x" / "note").read_text() == "made\n"


def test_what_cannot_be_mounted_is_a_config_error_in_the_kubelets_words(node: Instance) -> None:
    env = [{"name": "UP", "value": "../../../.."}, {"name": "EMPTY", "value": ""}]
    node.apply(
        manifests.pod(
            "refused",
            manifests.busybox("link", volumeMounts=mounted(subPath="out/x")),
            manifests.busybox("up", env=env, volumeMounts=mounted(subPathExpr="$(UP)")),
            manifests.busybox("unknown", env=env, volumeMounts=mounted(subPathExpr="$(NO)/$(EMPTY)")),
            manifests.busybox("control", volumeMounts=mounted(subPath="in")),
            initContainers=[manifests.busybox("w", "ln -s / /data/out; mkdir /data/in", volumeMounts=mounted())],
            volumes=[EMPTY],
            restartPolicy="Never",
        )
    )
    messages = {
        "link": 'failed to prepare subPath for volumeMount "v" of container "link"',
        "up": "unable to provision SubPath `../../../..`: must not contain '..'",
        "unknown": "missing value for EMPTY, NO",
    }
    pod = node.wait_for(
        "refused",
        lambda pod: (
            pods.is_running(pod, "control") and all(pods.waiting(pod, name).get("message") for name in messages)
        ),
        "three containers to be refused and one to run",
    )
    for name, message in messages.items():
        assert pods.waiting(pod, name) == {"reason": "CreateContainerConfigError", "message": message}
    assert not Path("/x").exists()
    assert f"Failed Error: {messages['link']}" in node.events("refused")


def test_a_link_swapped_under_a_subpath_leads_no_container_out(node: Instance) -> None:
    """CVE-2017-1002101: while containers start, another one lets the subpath point inside and outside in turn."""
    swap = (
        "cd /data; rm -f a; mkdir -p real; touch real/inside; "
        "while true; do ln -s real a; mv -T a part; usleep 20000; ln -s / a; mv -T a part; done"
    )
    victims = [
        manifests.busybox(f"v{n}", "ls /data; echo end", volumeMounts=mounted(subPath="part")) for n in range(10)
    ]
    names = [victim["name"] for victim in victims]
    attacker = manifests.busybox("attacker", swap, volumeMounts=mounted(), restartPolicy="Always")
    patient = {"periodSeconds": 1, "timeoutSeconds": 20, "failureThreshold": 60}
    attacker["startupProbe"] = {"exec": {"command": ["test", "-e", "/data/part"]}} | patient
    wanted = {"initContainers": [attacker], "volumes": [EMPTY], "restartPolicy": "Never"}

    def tried(pod: pods.Json) -> bool:
        return all(pods.terminated(pod, name) or pods.waiting(pod, name).get("message") for name in names)

    ran: list[list[str]] = []
    for attempt in range(10):
        node.submit(manifests.pod(f"swapped-{attempt}", *victims, **wanted))
        pod = node.wait_for(f"swapped-{attempt}", tried, "every container to have been tried", 60)
        ran += [lines for name in names if (lines := node.log_lines(pod, name))]
        node.discard(f"swapped-{attempt}", 0)
        if ran:
            break
    assert ran, "control: some container saw the directory"
    assert {line for lines in ran for line in lines} <= {"inside", "end"}


def test_read_only_mounts_reach_as_deep_as_they_are_asked_to(node: Instance, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", f"below-{node.mark}", tmp_path / "below"], check=True)
    try:
        try_all = "for d in ro rro maybe; do touch /$d/x; touch /$d/below/$d; done; ls /ro/below; exec sleep 1000"
        node.apply(
            manifests.pod(
                "readonly",
                manifests.busybox(
                    script=try_all,
                    volumeMounts=[
                        *mounted("/ro", readOnly=True),
                        *mounted("/rro", readOnly=True, recursiveReadOnly="Enabled"),
                        *mounted("/maybe", readOnly=True, recursiveReadOnly="IfPossible"),
                    ],
                ),
                volumes=[{"name": "v", "hostPath": {"path": str(tmp_path)}}],
            ),
        )
        pod = node.wait_for("readonly", lambda pod: len(node.log_lines(pod)) >= 6, "all to be tried")
        assert node.log_lines(pod) == [
            "touch: /ro/x: Read-only file system",
            "touch: /rro/x: Read-only file system",
            "touch: /rro/below/rro: Read-only file system",
            "touch: /maybe/x: Read-only file system",
            "touch: /maybe/below/maybe: Read-only file system",
            "ro",
        ]
        shown = {each["mountPath"]: each.get("recursiveReadOnly") for each in pods.container(pod)["volumeMounts"]}
        assert shown == {"/ro": "Disabled", "/rro": "Enabled", "/maybe": "Enabled"}
        node.run("delete", "pod", "readonly", "--now")
    finally:
        subprocess.run(["umount", tmp_path / "below"], check=True)


def test_the_machines_later_mounts_reach_who_asks_for_them(node: Instance, tmp_path: Path) -> None:
    source = tmp_path / "shared"
    source.mkdir()
    asks = [
        *mounted("/slave", mountPropagation="HostToContainer"),
        *mounted("/none", mountPropagation="None"),
    ]
    volume = {"name": "v", "hostPath": {"path": str(source)}}
    row = mountinfo.mount_of(str(source), mountinfo.read())
    assert row
    if not any(field.startswith(("shared:", "master:")) for field in row.optional):
        node.apply(manifests.pod("alone", manifests.busybox(volumeMounts=asks), volumes=[volume]))
        pod = node.wait_for("alone", lambda pod: pods.waiting(pod).get("message"), "the refusal")
        text = f'path "{source}" is mounted on "{row.mount_point}" but it is not a shared or slave mount'
        assert pods.waiting(pod) == {"reason": "CreateContainerError", "message": text}
    subprocess.run(["mount", "-t", "tmpfs", f"shared-{node.mark}", source], check=True)
    subprocess.run(["mount", "--make-shared", source], check=True)
    (source / "later").mkdir()
    try:
        node.apply(manifests.pod("propagated", manifests.busybox(volumeMounts=asks), volumes=[volume]), wait=True)
        subprocess.run(["mount", "-t", "tmpfs", f"later-{node.mark}", source / "later"], check=True)
        (source / "later" / "file").touch()
        assert node.exec("propagated", "ls", "/slave/later", "/none/later").stdout.split() == [
            "/none/later:",
            "/slave/later:",
            "file",
        ]
        both = manifests.busybox(
            script="mount -t tmpfs own /both/own && echo mounted; exec sleep 1000",
            volumeMounts=mounted("/both", mountPropagation="Bidirectional"),
            securityContext={"privileged": True},
        )
        (source / "own").mkdir()
        node.apply(manifests.pod("shares", both, volumes=[volume]))
        node.wait_for("shares", lambda pod: node.log_lines(pod) == ["mounted"], "the container to mount")
        assert os.path.ismount(source / "own"), "the machine sees it"
        assert "own" in node.exec("propagated", "grep", " /slave/own ", "/proc/mounts").stdout
        node.run("delete", "pod", "shares", "propagated", "--now")
    finally:
        subprocess.run(["umount", "-R", source], check=True)
