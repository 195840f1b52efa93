"""What the files of the manifest directory ask for, and the steps that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import static_manifests, static_pods
from podrun.kubelet.static_manifests import Change, Create, Manifest, Remove, Step, Wishes
from podrun.server import admission

NODE = "here"


def text(name: str = "web", image: str = "busybox:1", **metadata: Any) -> bytes:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name} | metadata,
        "spec": {"containers": [{"name": "main", "image": image}]},
    }
    return msgspec.json.encode(pod)


def read(content: bytes, file: str = "a.yaml") -> Manifest:
    return static_manifests.read(file, content, NODE, admission.admit_local)


def only(content: bytes, file: str = "a.yaml") -> objects.Object:
    manifest = read(content, file)
    assert manifest.error == ""
    (one,) = manifest.objects
    return one


def test_a_static_pod_is_named_after_the_node_and_marked() -> None:
    pod = only(text())
    assert isinstance(pod, objects.Pod)
    assert (pod.metadata.namespace, pod.metadata.name, pod.spec.node_name) == ("default", "web-here", NODE)
    marks = pod.metadata.annotations
    assert marks["kubernetes.io/config.source"] == "file"
    assert marks["kubernetes.io/config.mirror"] == marks["kubernetes.io/config.hash"]
    assert pod.spec.tolerations == (objects.Toleration(operator="Exists", effect="NoExecute"),)
    assert pod.spec.restart_policy == "Always"
    assert static_manifests.is_ours(pod)


def test_the_hash_is_of_what_the_file_says() -> None:
    mark = "kubernetes.io/config.hash"
    same = only(b"# a comment\n" + text(), "b.yaml").metadata.annotations[mark]
    assert only(text()).metadata.annotations[mark] == same
    assert only(text(image="busybox:2")).metadata.annotations[mark] != same


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"{", "yaml: line"),
        (b"apiVersion: v1\nkind: Pod\nmetadata: {}\n", "spec.containers: Required value"),
        (text("Web"), "a lowercase RFC 1123 subdomain"),
        (b"apiVersion: v1\nkind: Node\nmetadata: {name: s}\n", "podrun does not carry out this kind yet"),
        (b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n", "no matches for kind"),
        (text() + b"\n---\n" + text("x", image=""), "spec.containers[0].image: Required value"),
        (text(annotations={"kubernetes.io/config.mirror": "x"}), "only the kubelet may create mirror pods"),
    ],
)
def test_a_bad_file_says_why_and_gives_nothing(content: bytes, error: str) -> None:
    found = read(content)
    assert error in found.error
    assert found.objects == ()


def test_only_yaml_and_json_files_count() -> None:
    names = ("a.yaml", "b.yml", "c.json", ".d.yaml", "e.yaml~", "f", "g.txt", ".yaml")
    assert [name for name in names if static_manifests.is_manifest(name)] == ["a.yaml", "b.yml", "c.json"]


def test_the_first_of_two_files_has_the_pod() -> None:
    files = {name: read(text(image=f"{name}:1"), f"{name}.yaml") for name in ("b", "a")}
    wishes = static_manifests.together(files)
    (pod,) = wishes.objects.values()
    assert isinstance(pod, objects.Pod)
    assert pod.spec.containers[0].image == "a:1"
    assert wishes.errors == {"b": 'Pod "web-here" in namespace "default" is there already'}


# ---- steps -----------------------------------------------------------------------------------------------------------


def wishes(*contents: bytes) -> Wishes:
    return static_manifests.together({f"{n}.yaml": read(each, f"{n}.yaml") for n, each in enumerate(contents)})


def gone(pod: objects.Object) -> objects.Object:
    return replace(pod, metadata=replace(pod.metadata, deletion_timestamp="2030-01-01T00:00:00Z"))


def test_what_is_missing_is_created_and_what_is_there_is_left() -> None:
    new = only(text(), "0.yaml")
    assert static_manifests.steps(wishes(text()), []) == [Create(new)]
    assert static_manifests.steps(wishes(text()), [new]) == []


def test_a_changed_pod_ends_before_the_new_one_comes() -> None:
    old, new = only(text()), only(text(image="busybox:2"), "0.yaml")
    wanted = wishes(text(image="busybox:2"))
    assert static_manifests.steps(wanted, [old]) == [Remove(old)]
    assert static_manifests.steps(wanted, [gone(old)]) == []
    assert static_manifests.steps(wanted, []) == [Create(new)]


def test_without_its_file_a_pod_ends() -> None:
    pod = only(text())
    assert static_manifests.steps(wishes(), [pod]) == [Remove(pod)]
    assert static_manifests.steps(wishes(), [gone(pod)]) == []


def test_a_file_that_went_bad_leaves_its_pods() -> None:
    pod, other = only(text(), "0.yaml"), only(text("other"), "1.yaml")
    assert static_manifests.steps(wishes(b"{"), [pod, other]) == [Remove(other)]


def test_namespaces_come_first_and_stay() -> None:
    namespace = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n"
    pod = text(namespace="team")
    created = static_manifests.steps(wishes(pod, namespace), [])
    assert [type(step.object).__name__ for step in created] == ["Namespace", "Pod"]
    assert static_manifests.steps(wishes(), [only(namespace)]) == []
    labelled = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {a: b}}\n"
    assert isinstance(static_manifests.steps(wishes(labelled), [only(namespace)])[0], Change)


def test_a_static_pod_ends_within_its_own_grace() -> None:
    pod = only(text())
    assert isinstance(pod, objects.Pod)
    ending = static_pods.ending(pod, 0.5).metadata
    assert (ending.deletion_timestamp, ending.deletion_grace_period_seconds) == ("1970-01-01T00:00:30Z", 30)
    finished = replace(pod, status=objects.PodStatus(phase="Failed"))
    assert static_pods.ending(finished, 0.5).metadata.deletion_grace_period_seconds == 0


Directory = Mapping[str, int]
"""By the pod's name, the version of its image; 0: the file is bad."""


def files(directory: Directory) -> dict[str, Manifest]:
    contents = {
        f"{name}.yaml": text(name, image=f"i:{version}") if version else b"{" for name, version in directory.items()
    }
    return {name: read(content, name) for name, content in contents.items()}


def carried_out(step: Step, stored: dict[str, objects.Object]) -> None:
    name = step.object.metadata.name
    if isinstance(step, Create):
        assert name not in stored, "two pods of one name"
        stored[name] = step.object
    else:
        stored[name] = gone(stored[name])


directories = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3)


@given(st.lists(st.tuples(directories, st.sets(st.sampled_from("abc")), st.booleans()), max_size=8), directories)
def test_whatever_happens_the_pods_become_those_of_the_files(
    history: list[tuple[Directory, set[str], bool]], last: Directory
) -> None:
    stored: dict[str, objects.Object] = {}
    for directory, deleted, ends in (*history, *[(last, set[str](), True)] * 3):
        for name in {f"{each}-{NODE}" for each in deleted} & stored.keys():
            stored[name] = gone(stored[name])
        for step in static_manifests.steps(static_manifests.together(files(directory)), list(stored.values())):
            carried_out(step, stored)
        if ends:
            stored = {name: pod for name, pod in stored.items() if pod.metadata.deletion_timestamp is None}
    wanted = {f"{name}-{NODE}": f"i:{version}" for name, version in last.items() if version}
    shown = {name: pod.spec.containers[0].image for name, pod in stored.items() if isinstance(pod, objects.Pod)}
    spared = {f"{name}-{NODE}" for name, version in last.items() if not version}
    assert {name: image for name, image in shown.items() if name not in spared} == wanted
    assert all(pod.metadata.deletion_timestamp is None for pod in stored.values())
