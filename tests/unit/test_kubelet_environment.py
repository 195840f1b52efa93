"""Where a container's variables come from: values, references, the pod's own fields, files; and what is missing."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from podrun.api import defaults, objects, parse
from podrun.errors import PodrunError
from podrun.kubelet import downward, environment, references
from podrun.kubelet.environment import Sources
from podrun.volume import env_files

HEAD = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  uid: "1234"
  labels: {app: web, tier: "a\\"b"}
  annotations: {note: "two\\nlines"}
spec:
  serviceAccountName: robot
  volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: mounted}}, {name: p, projected: {sources: [
    {secret: {name: projected}}]}}, {name: d, persistentVolumeClaim: {claimName: claimed}},
    {name: scratch, ephemeral: {}}]
  containers:
  - name: main
    image: i
    resources: {requests: {cpu: 250m, memory: 64Mi}, limits: {cpu: 1500m}}
"""
FACTS = downward.Facts(
    node_name="here",
    host_ips=("192.0.2.1", "2001:db8::1"),
    pod_ips=("10.0.0.2", "fd00::2"),
    allocatable={"cpu": "4", "memory": "1Gi", "ephemeral-storage": "10Gi"},
)
CONFIG = objects.ConfigMap(data={"a": "1", "b": "$(A)", "nul": "x\0y"}, binary_data={"bin": "AAAA"})
SECRET = objects.Secret(data={"user": base64.b64encode(b"me").decode(), "raw": base64.b64encode(b"\xff\xfe").decode()})


def pod_with(container: str) -> objects.Pod:
    lines = "".join(f"    {line}\n" for line in container.strip().splitlines())
    (found,) = parse.parse((HEAD + lines).encode())
    assert isinstance(found, objects.Pod)
    return defaults.default_pod(found)


def variables(container: str, **changes: Any) -> dict[str, str]:
    pod = pod_with(container)
    given: dict[str, Any] = {
        "facts": FACTS,
        "config_map": {"config": CONFIG}.get,
        "secret": {"secret": SECRET}.get,
        "file_value": lambda key: {"x": "from file"}.get(key.key),
    }
    return environment.variables_of(pod, pod.spec.containers[0], Sources(**given | changes))


def test_env_lies_over_env_from_and_sees_what_is_before_it() -> None:
    container = """
envFrom:
- {prefix: P_, configMapRef: {name: plain}}
- {secretRef: {name: other, optional: true}}
env:
- {name: P_a, value: "own"}
- {name: A, value: "$(P_a)-$(LATER)"}
- {name: LATER, value: "$(A)!"}
- {name: USER_NAME, valueFrom: {secretKeyRef: {name: secret, key: user}}}
- {name: NOT_EXPANDED, valueFrom: {configMapKeyRef: {name: config, key: b}}}
- {name: EMPTY}
"""
    plain = objects.ConfigMap(data={"a": "1", "b": "2"})
    found = variables(container, config_map={"config": CONFIG, "plain": plain}.get)
    assert found == {
        "P_a": "own",
        "P_b": "2",
        "A": "own-$(LATER)",
        "LATER": "own-$(LATER)!",
        "USER_NAME": "me",
        "NOT_EXPANDED": "$(A)",
        "EMPTY": "",
    }


def test_values_that_stand_for_each_other_over_and_over_stay_bounded() -> None:
    """A billion laughs, which no program could be given."""
    lines = ['env:\n- {name: A0, value: "ha"}']
    lines += [f'- {{name: A{level}, value: "{f"$(A{level - 1})" * 100}"}}' for level in range(1, 12)]
    found = variables("\n".join(lines))
    assert found["A2"] == "ha" * 10_000
    assert len(found["A11"]) == environment.LONGEST + 1
    long = {"A": "x" * environment.LONGEST}
    with pytest.raises(environment.UnresolvedError, match="environment variables are longer"):
        variables("\n".join([*lines, *(f'- {{name: B{number}, value: "$(A11)"}}' for number in range(20))]))
    with pytest.raises(PodrunError, match="the command is longer"):
        environment.expand_all(["$(A)"] * 100_000, long)
    assert environment.expand("$(" * 500_000, {}) == "$(" * 500_000


def test_every_field_of_the_pod_can_be_asked_for() -> None:
    fields = {
        "metadata.name": "web",
        "metadata.namespace": "shop",
        "metadata.uid": "1234",
        "metadata.labels['app']": "web",
        "metadata.labels['none']": "",
        "metadata.annotations['note']": "two\nlines",
        "spec.nodeName": "here",
        "spec.serviceAccountName": "robot",
        "status.hostIP": "192.0.2.1",
        "status.hostIPs": "192.0.2.1,2001:db8::1",
        "status.podIP": "10.0.0.2",
        "status.podIPs": "10.0.0.2,fd00::2",
    }
    lines = [f'- {{name: V{n}, valueFrom: {{fieldRef: {{fieldPath: "{path}"}}}}}}' for n, path in enumerate(fields)]
    assert list(variables("env:\n" + "\n".join(lines)).values()) == list(fields.values())


def test_whole_maps_are_written_as_files_have_them() -> None:
    pod = pod_with("")
    assert downward.field_text(pod, "metadata.labels", FACTS) == 'app="web"\ntier="a\\"b"'
    assert downward.field_text(pod, "metadata.annotations", FACTS) == 'note="two\\nlines"'


@pytest.mark.parametrize(
    ("resource", "divisor", "text"),
    [
        ("requests.cpu", "0", "1"),
        ("requests.cpu", "1m", "250"),
        ("limits.cpu", "1", "2"),
        ("limits.cpu", "1m", "1500"),
        ("requests.memory", "0", "67108864"),
        ("requests.memory", "1Mi", "64"),
        ("requests.memory", "1M", "68"),
        ("limits.memory", "1Mi", "1024"),  # not set: what the node has to give
        ("limits.ephemeral-storage", "1Gi", "10"),
        ("requests.ephemeral-storage", "1", "0"),
    ],
)
def test_resources_are_counted_in_divisors_and_rounded_up(resource: str, divisor: str, text: str) -> None:
    reference = f"{{resource: {resource}, divisor: {divisor}}}"
    assert variables(f"env: [{{name: R, valueFrom: {{resourceFieldRef: {reference}}}}}]") == {"R": text}


@pytest.mark.parametrize(
    ("container", "error"),
    [
        ("envFrom: [{configMapRef: {name: none}}]", 'configmap "none" not found'),
        ("envFrom: [{secretRef: {name: none}}]", 'secret "none" not found'),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: none, key: k}}}]", 'configmap "none" not found'),
        (
            "env: [{name: A, valueFrom: {configMapKeyRef: {name: config, key: bin}}}]",
            "couldn't find key bin in ConfigMap shop/config",
        ),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: none, key: k}}}]", 'secret "none" not found'),
        (
            "env: [{name: A, valueFrom: {secretKeyRef: {name: secret, key: k}}}]",
            "couldn't find key k in Secret shop/secret",
        ),
        (
            "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: f, key: k}}}]",
            'environment variable key "k" not found in file "f"',
        ),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: secret, key: raw}}}]", 'key raw of secret "secret" is no'),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: config, key: nul}}}]", "variable A holds a null"),
    ],
)
def test_what_is_missing_is_said_in_the_words_of_the_kubelet(container: str, error: str) -> None:
    with pytest.raises(environment.UnresolvedError) as raised:
        variables(container)
    assert error in str(raised.value)


def test_an_optional_reference_to_nothing_sets_nothing() -> None:
    container = """
envFrom: [{configMapRef: {name: none, optional: true}}, {secretRef: {name: none, optional: true}}]
env:
- {name: A, valueFrom: {configMapKeyRef: {name: none, key: k, optional: true}}}
- {name: B, valueFrom: {configMapKeyRef: {name: config, key: k, optional: true}}}
- {name: C, valueFrom: {secretKeyRef: {name: secret, key: k, optional: true}}}
- {name: D, valueFrom: {fileKeyRef: {volumeName: v, path: f, key: k, optional: true}}}
- {name: E, valueFrom: {fileKeyRef: {volumeName: v, path: f, key: x}}}
"""
    assert variables(container) == {"E": "from file"}


def test_a_pod_knows_what_it_refers_to() -> None:
    pod = pod_with("""
envFrom: [{configMapRef: {name: all}}]
env: [{name: A, valueFrom: {secretKeyRef: {name: one, key: k}}}]
""")
    assert references.of_pod(pod) == {
        ("ConfigMap", "all"),
        ("Secret", "one"),
        ("ConfigMap", "mounted"),
        ("Secret", "projected"),
        ("PersistentVolumeClaim", "claimed"),
        ("PersistentVolumeClaim", f"{pod.metadata.name}-scratch"),
    }


TEXT = "# a comment\n\nA='one'\n  B='two\nlines' # more\nC= 'nothing'\nD=''\nA='again'\n"


@pytest.mark.parametrize(("key", "value"), [("A", "one"), ("B", "two\nlines"), ("C", ""), ("D", ""), ("E", None)])
def test_a_file_of_variables_gives_the_first_value(key: str, value: str | None) -> None:
    assert env_files.value_of(TEXT, key) == value


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x", "line 1: missing '='"),
        ("\n='v'", "line 2: empty variable name"),
        ("A ='v'", "line 1: whitespace before '='"),
        ("A=v", "line 1: value must be enclosed in single quotes"),
        ("A='v' w", "line 1: unexpected content after closing quote"),
        ("B='1'\nA='v\n", "starting at line 2: unclosed single quote"),
    ],
)
def test_a_bad_file_of_variables_is_an_error(text: str, error: str) -> None:
    with pytest.raises(PodrunError, match=error.replace("(", "\\(")):
        env_files.value_of(text, "K")


def test_a_file_of_variables_is_read_inside_its_volume_only(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (tmp_path / "outside").write_text("A='secret'\n")
    (volume / "up").symlink_to("../outside")
    (volume / "absolute").symlink_to(tmp_path / "outside")
    (volume / "good").write_text("A='1'\n")
    (volume / "link").symlink_to("/good")
    (volume / "large").write_bytes(b"#" * (env_files.LARGEST + 1))
    os.mkfifo(volume / "fifo")
    assert env_files.read(str(volume), "good") == "A='1'\n"
    assert env_files.read(str(volume), "link") == "A='1'\n"
    assert env_files.read(str(volume), "none") is None
    assert env_files.read(str(volume), "up") is None
    assert env_files.read(str(volume), "absolute") is None
    for name in ("large", "fifo", "."):
        with pytest.raises(PodrunError):
            env_files.read(str(volume), name)
