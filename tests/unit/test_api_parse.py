"""From bytes to typed objects: YAML's rules, strictness, limits, and the words of every refusal."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import kinds, objects, parse, yaml_documents
from podrun.api.status_errors import StatusError

POD = b"""
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  containers:
  - name: server
    image: busybox
    command: [httpd, -f]
    env:
    - name: A
      value: "1"
    ports:
    - containerPort: 8080
    resources:
      limits: {cpu: 0.5, memory: 0.5Gi}
"""


def refused(content: bytes) -> StatusError:
    with pytest.raises(StatusError) as caught:
        parse.parse(content)
    return caught.value


def pod_with(spec: str) -> bytes:
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  {spec}\n".encode()


def test_a_manifest_becomes_a_typed_pod() -> None:
    (pod,) = parse.parse(POD)
    assert isinstance(pod, objects.Pod)
    (container,) = pod.spec.containers
    assert container.command == ("httpd", "-f")
    assert container.ports[0].container_port == 8080
    assert container.resources.limits == {"cpu": "500m", "memory": "512Mi"}


def test_an_object_survives_the_way_to_json_and_back() -> None:
    (pod,) = parse.parse(POD)
    assert kinds.from_json(kinds.to_json(pod), objects.Pod) == pod
    assert parse.parse(kinds.to_json(pod)) == (pod,)


def test_fields_without_omitempty_are_always_printed() -> None:
    status = objects.PodStatus(
        conditions=(objects.PodCondition(type="Ready", status="False"),),
        container_statuses=(objects.ContainerStatus(name="c"),),
    )
    pod = objects.Pod(spec=objects.PodSpec(containers=(objects.Container(name="c"),)), status=status)
    assert kinds.to_json(pod) == (
        b'{"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":[{"name":"c","resources":{}}]},'
        b'"status":{"conditions":[{"type":"Ready","status":"False","lastProbeTime":null,"lastTransitionTime":null}],'
        b'"containerStatuses":[{"name":"c","state":{},"lastState":{},"ready":false,"restartCount":0,"image":"","imageID":""}]}}'
    )


def test_documents_and_lists_are_expanded_in_order() -> None:
    content = (
        b"---\n"
        + POD
        + b"---\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: ns}}\n"
        + b"- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n"
    )
    assert [item.kind for item in parse.parse(content)] == ["Pod", "Namespace", "ConfigMap"]


def test_all_unknown_fields_are_named_with_their_paths() -> None:
    error = refused(pod_with("foo: 1\n  containers:\n  - {name: a, image: b, bar: 1, Image: x}"))
    assert error.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.foo", '
        'unknown field "spec.containers[0].bar", unknown field "spec.containers[0].Image"'
    )
    assert (error.code, error.reason) == (400, "BadRequest")
    assert error.details
    assert [cause.field for cause in error.details.causes][:2] == ["spec.foo", "spec.containers[0].bar"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "containers: [{name: a, env: [{name: A, value: 1}]}]",
            "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (
            "containers: [{name: a, env: [{name: A, value: yes}]}]",
            "json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (
            "containers: [{name: a, ports: [{containerPort: eighty}]}]",
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort "
            "of type int32",
        ),
        (
            "containers: [{name: a, ports: [{containerPort: 99999999999}]}]",
            "json: cannot unmarshal number 99999999999 into Go struct field "
            "ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            "containers: {name: a}",
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        ("hostNetwork: 1", "json: cannot unmarshal number into Go struct field PodSpec.spec.hostNetwork of type bool"),
        (
            "nodeSelector: {a: 1}",
            "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string",
        ),
        (
            "containers: [{name: a, resources: {limits: {cpu: lots}}}]",
            "spec.containers[0].resources.limits[cpu]: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_a_wrong_type_is_worded_as_kubernetes_words_it(spec: str, message: str) -> None:
    assert refused(pod_with(spec)).message == f'Pod in version "v1" cannot be handled as a Pod: {message}'


def test_types_unknown_fields_and_duplicates_are_reported_together() -> None:
    message = refused(pod_with("hostPID: no way\n  hostname: a\n  hostname: b\n  x: 1")).message
    assert "Go struct field PodSpec.spec.hostPID of type bool, strict decoding error: " in message
    assert 'unknown field "spec.x", duplicate field "spec.hostname"' in message


def test_a_duplicate_key_in_json_is_found_too() -> None:
    content = b'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "name": "b"}}'
    assert 'duplicate field "metadata.name"' in refused(content).message


def test_errors_of_all_documents_come_together_and_errors_in_a_list_name_the_item() -> None:
    listed = b"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, spec: {w: 1, z: 1, z: 2}}\n"
    error = refused(pod_with("x: 1") + b"---\n" + listed)
    assert error.message.count("cannot be handled as a Pod") == 2
    assert error.details
    assert [cause.field for cause in error.details.causes] == [
        "spec.x", "items[0].spec.w", "items[0].spec.z", "items[0].spec.z"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"apiVersion: v1\nkind: Ship\n", 'no matches for kind "Ship" in version "v1"'),
        (b"apiVersion: apps/v1\nkind: Pod\n", 'no matches for kind "Pod" in version "apps/v1"'),
        (b"a: 1\n", "Object 'Kind' is missing in '{\"a\":1}'"),
        (b"kind: Pod\n", "Object 'apiVersion' is missing in '{\"kind\":\"Pod\"}'"),
        (b"just text", "cannot unmarshal string into Go value"),
        (b"kind: []\n", "cannot unmarshal array into Go struct field TypeMeta.kind of type string"),
        (
            b"kind: {a: b}\napiVersion: v1\n",
            "cannot unmarshal object into Go struct field TypeMeta.kind of type string",
        ),
        (
            b'{"kind": "List", "apiVersion": [], "items": []}',
            "cannot unmarshal array into Go struct field TypeMeta.api",
        ),
        (b"kind: 1\n", "cannot unmarshal number into Go struct field TypeMeta.kind of type string"),
        (b"a: 1\nb: c: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        (b"a:\n\t- b\n", "yaml: line 2: found character that cannot start any token"),
        (b"a: &a [*a]\n", "yaml: line 1: unknown anchor 'a' referenced"),
        (b"? [a]\n: b\n", "yaml: line 1: invalid map key"),
        (b"[" * 100_000, "yaml: line 1: exceeded max depth"),
        (b"a: \xff\n", "yaml: "),
    ],
)
def test_what_is_no_manifest_is_refused_in_words(content: bytes, message: str) -> None:
    assert message in refused(content).message


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    for level in range(1, 12):
        bomb += f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n".encode()
    assert "excessive aliasing" in refused(bomb).message


def test_a_huge_manifest_is_refused_before_it_is_read() -> None:
    error = refused(b"x" * 100_000_000)
    assert (error.code, error.message) == (413, "Request entity too large: limit is 3145728")


@pytest.mark.parametrize(
    "content",
    [
        b"apiVersion: v1\nkind: List\nitems:\n" + b"- {}\n" * 10_000,
        b'{"apiVersion": "v1", "kind": "List", "items": [' + b"{}," * 10_000 + b"{}]}",
        pod_with("\n  ".join(f"x{number}: 1" for number in range(5_000))),
        pod_with("\n  ".join(["hostname: a"] * 5_000)),
    ],
)
def test_very_many_errors_are_cut_short(content: bytes) -> None:
    assert len(refused(content).message) < 20_000


def test_yaml_is_resolved_as_kubernetes_resolves_it() -> None:
    content = b"""
a: [yes, Off, 'yes', ~, 0644, 0o17, 0x1F, 1_000, 1.5, 22:22, 2026-01-01, .5, -3, 1e3, "1", !!str 2, +, -]
1: one
true: two
base: &base {x: 1, z: 2}
merged: {<<: *base, z: 3}
"""
    (document,) = yaml_documents.documents(content)
    assert document.value == {
        "a": [True, False, "yes", None, 420, 15, 31, 1000, 1.5,
              "22:22", "2026-01-01", 0.5, -3, 1000.0, "1", "2", "+", "-"],
        "1": "one",
        "true": "two",
        "base": {"x": 1, "z": 2},
        "merged": {"x": 1, "z": 3},
    }  # fmt: skip


def test_null_means_not_set() -> None:
    (pod,) = parse.parse(pod_with("hostname: null\n  containers:\n  -\n  - {name: b, args: [null], env: null}"))
    assert isinstance(pod, objects.Pod)
    assert pod.spec.hostname == ""
    assert pod.spec.containers[0] == objects.Container()
    assert pod.spec.containers[1].args == ("",)


def test_half_a_surrogate_pair_can_still_be_stored() -> None:
    (found,) = parse.parse(
        b'{"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "\\ud800", "b": "\\ud83d\\ude00"}}'
    )
    assert isinstance(found, objects.ConfigMap)
    assert found.data == {"a": "\ufffd", "b": "\U0001f600"}
    assert kinds.to_json(found)


@given(st.binary(max_size=200))
def test_random_bytes_are_parsed_or_refused_with_the_typed_error(content: bytes) -> None:
    with contextlib.suppress(StatusError):
        parse.parse(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
pod_values = st.fixed_dictionaries(
    {"apiVersion": st.just("v1"), "kind": st.sampled_from(["Pod", "List", "ConfigMap"])},
    optional={
        "metadata": json_values,
        "items": json_values,
        "data": json_values,
        "spec": st.dictionaries(st.sampled_from(["containers", "volumes", "hostNetwork", "priority"]), json_values),
    },
)


@given(pod_values)
def test_random_values_in_a_pod_are_decoded_or_refused_with_the_typed_error(value: object) -> None:
    with contextlib.suppress(StatusError):
        parse.from_value(value)
