"""What a user gets wrong: a clear message in Kubernetes' words, a nonzero exit code, and nothing half made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from podrun.linux import mount
from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import COMMAND, Instance

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: bad}
spec:
  containers:
  - {name: a, image: "busybox:1"}
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Pod\n  bad: [", ["error converting YAML to JSON: yaml: line 2"]),
        ("", ["no objects passed to apply"]),
        ("kind: Pod\nmetadata: {name: x}\n", ["Object 'apiVersion' is missing"]),
        (POD.replace("kind: Pod", "kind: Pot"), ['no matches for kind "Pot" in version "v1"']),
        (
            POD.replace("spec:", "spec:\n  restartPolcy: Never").replace("name: a,", "name: a, imag: x,"),
            ['unknown field "spec.restartPolcy"', 'unknown field "spec.containers[0].imag"'],
        ),
        (POD.replace("name: a", "name: 5"), ["cannot unmarshal number into Go struct field"]),
        (POD.replace("name: bad", "name: Bad_"), ['metadata.name: Invalid value: "Bad_": a lowercase RFC 1123']),
        (POD.replace("name: a,", "name: a, name: b,"), ['duplicate field "spec.containers[0].name"']),
        (POD.replace('image: "busybox:1"', "command: [x]"), ["spec.containers[0].image: Required value"]),
        (
            POD.replace("spec:", "spec:\n  runtimeClassName: kata"),
            ['pods "bad" is forbidden: pod rejected: RuntimeClass "kata" not found'],
        ),
        ("a: &a [x]\nb: &b [*a,*a]\n" + "".join(f"c{n}: &c{n} [*b,*b]\n" for n in range(9)), []),
    ],
    ids=[
        "syntax",
        "empty",
        "no version",
        "kind",
        "unknown fields",
        "type",
        "name",
        "duplicate",
        "required",
        "not yet",
        "aliases",
    ],
)
def test_a_bad_manifest_is_refused_as_kubectl_would(node: Instance, text: str, words: list[str]) -> None:
    result = node.run("apply", "-f", "-", stdin=text, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr
    assert "bad" not in node.pods()


def test_one_bad_document_keeps_the_whole_file_from_being_stored(node: Instance) -> None:
    good = manifests.pod("good-one")
    bad = manifests.pod("bad-one", restartPolicy="Sometimes")
    result = node.run("apply", "-f", "-", stdin="\n---\n".join(map(repr, (good, bad))), check=False)
    assert result.returncode == 1
    assert 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"' in (
        result.stderr
    )
    assert not {"good-one", "bad-one"} & set(node.pods())


def test_bombs_and_giants_are_refused_quickly(node: Instance, tmp_path: Path) -> None:
    giant = tmp_path / "giant.yaml"
    with giant.open("wb") as file:
        file.truncate(100 << 20)
    result = node.run("apply", giant, check=False)
    assert result.returncode == 1
    assert "too large" in result.stderr
    rows = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    rows += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    bomb = node.run("apply", "-f", "-", stdin="\n".join(rows), check=False)
    assert bomb.returncode == 1
    assert "alias" in bomb.stderr


def test_a_missing_image_ends_the_waiting_at_once(node: Instance) -> None:
    container = manifests.busybox(image="127.0.0.1:9/nothing:1")
    result = node.run("apply", "--wait", "-f", "-", stdin=repr(manifests.pod("imageless", container)), check=False)
    assert result.returncode == 1
    assert "127.0.0.1:9/nothing:1" in result.stderr
    assert pods.waiting(node.pod("imageless"))["reason"] in ("ErrImagePull", "ImagePullBackOff")
    node.run("delete", "pod", "imageless")


@pytest.mark.vm
def test_a_command_that_is_not_in_the_image_is_said_in_the_usual_words(node: Instance) -> None:
    container = manifests.busybox(command=["no-such-program"])
    node.apply(manifests.pod("commandless", container, restartPolicy="Never"))
    pod = node.wait_for("commandless", pods.has_ended, "to fail")
    ended = pods.terminated(pod)
    assert (pods.phase(pod), ended["reason"], ended["exitCode"]) == ("Failed", "StartError", 128)
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended["message"]
    missing = node.run("exec", "commandless", "--", "true", check=False)
    assert missing.returncode == 1
    assert "cannot exec into a container in a completed pod; current phase is Failed" in missing.stderr
    node.run("delete", "pod", "commandless")


def test_a_second_kubelet_of_the_same_instance_is_refused(node: Instance) -> None:
    result = node.run("kubelet", check=False)
    assert result.returncode == 1
    assert f"another one already serves {node.paths.socket}" in result.stderr


def test_a_root_on_an_overlay_is_refused_with_a_hint(node: Instance, tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    data = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mount.mount("overlay", str(tmp_path / "merged"), "overlay", data=data)
    try:
        settings = {"PODRUN_ROOT": str(tmp_path / "merged"), "PODRUN_RUN_DIR": str(tmp_path / "run")}
        result = subprocess.run(
            [COMMAND, "kubelet"], env=node.environment | settings, capture_output=True, text=True, timeout=60
        )
    finally:
        mount.umount_detach(str(tmp_path / "merged"))
    assert result.returncode == 1
    assert "it is on overlayfs" in result.stderr
    assert "PODRUN_ROOT" in result.stderr
    assert "Traceback" not in result.stderr


def test_somebody_who_is_not_root_is_told_so(node: Instance) -> None:
    for words in (["get", "pods"], ["kubelet"], ["system", "reset", "--force"]):
        result = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", COMMAND, *words],
            env=node.environment, capture_output=True, text=True, timeout=60, cwd="/",
        )  # fmt: skip
        assert result.returncode != 0
        assert "root" in result.stderr, words
        assert "Traceback" not in result.stderr


def test_two_applies_of_one_pod_at_once_make_one_pod(node: Instance) -> None:
    text = repr(manifests.pod("twice"))
    running = [
        subprocess.Popen(
            [COMMAND, "apply", "-f", "-"],
            env=node.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    outputs = sorted(each.communicate(text, timeout=wait.patient(60))[0] for each in running)
    assert [each.returncode for each in running] == [0] * 4
    assert outputs == ["pod/twice created\n", *["pod/twice unchanged\n"] * 3]
    node.wait_for("twice", pods.is_ready, "to be ready")
    node.run("delete", "pod", "twice", "--now")
