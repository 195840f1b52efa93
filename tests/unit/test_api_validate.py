"""Validation of pods, in Kubernetes' words, on creation and on update."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import defaults, objects, parse, supported, validate, validate_update
from podrun.api.status_errors import invalid

HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  "
ONE = "containers: [{name: c, image: i}]"


def pod(spec: str, head: str = HEAD) -> objects.Pod:
    (found,) = parse.parse((head + spec + "\n").encode())
    assert isinstance(found, objects.Pod)
    return defaults.default_pod(found)


def errors(spec: str, head: str = HEAD) -> list[str]:
    return [str(error) for error in validate.validate_pod(pod(spec, head))]


def container(fields: str, rest: str = "") -> str:
    return f"containers: [{{name: c, image: i, {fields}}}]\n  {rest}"


def test_a_plain_pod_is_valid() -> None:
    assert errors(ONE) == []


def test_a_pod_that_uses_much_of_the_schema_is_valid() -> None:
    spec = """
  initContainers:
  - {name: first, image: i}
  - name: sidecar
    image: i
    restartPolicy: Always
    startupProbe: {tcpSocket: {port: 80}}
  containers:
  - name: web
    image: registry.example.com/web@sha256:0123
    env:
    - {name: A.B, value: "$(C)"}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    - {name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}
    envFrom: [{prefix: P_, configMapRef: {name: c}}]
    ports: [{name: http, containerPort: 80}, {containerPort: 53, protocol: UDP}]
    resources: {requests: {cpu: 100m, example.com/gpu: 1}, limits: {cpu: 1, memory: 1Gi, example.com/gpu: 1}}
    volumeMounts:
    - {name: e, mountPath: /e}
    - {name: h, mountPath: /h, readOnly: true, recursiveReadOnly: IfPossible, subPath: a/b}
    livenessProbe: {httpGet: {port: http}, failureThreshold: 2}
    readinessProbe: {exec: {command: ["true"]}, successThreshold: 2}
    lifecycle: {preStop: {sleep: {seconds: 3}}}
    securityContext: {runAsUser: 0, capabilities: {add: [NET_ADMIN]}, seccompProfile: {type: RuntimeDefault}}
  volumes:
  - {name: e, emptyDir: {sizeLimit: 1Mi}}
  - {name: h, hostPath: {path: /tmp, type: Directory}}
  - {name: d, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - name: p
    projected: {sources: [{secret: {name: s, items: [{key: k, path: k}]}}, {serviceAccountToken: {path: token}}]}
  securityContext: {fsGroup: 1000, sysctls: [{name: net.core.somaxconn, value: "1"}]}
  tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 3}]
  hostAliases: [{ip: "::1", hostnames: [a.b]}]
  dnsConfig: {nameservers: [10.0.0.1], searches: [a.b., _c.d], options: [{name: ndots, value: "2"}]}
"""
    assert errors(spec) == []


LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("containers: []", "spec.containers: Required value"),
        ("containers: [{image: i}]", "spec.containers[0].name: Required value"),
        ("containers: [{name: c}]", "spec.containers[0].image: Required value"),
        ("containers: [{name: A, image: i}]", f'spec.containers[0].name: Invalid value: "A": {LABEL}'),
        ("containers: [{name: a.b, image: i}]", 'spec.containers[0].name: Invalid value: "a.b": must not contain dots'),
        (
            "containers: [{name: c, image: i}, {name: c, image: i}]",
            'spec.containers[1].name: Duplicate value: "c"',
        ),
        (
            ONE + "\n  initContainers: [{name: c, image: i}]",
            'spec.initContainers[0].name: Duplicate value: "c"',
        ),
        (
            ONE + "\n  restartPolicy: X",
            'spec.restartPolicy: Unsupported value: "X": supported values: "Always", "OnFailure", "Never"',
        ),
        (
            container("imagePullPolicy: X"),
            'spec.containers[0].imagePullPolicy: Unsupported value: "X": supported values: '
            '"Always", "IfNotPresent", "Never"',
        ),
        (
            container("volumeMounts: [{name: v, mountPath: /x}]"),
            'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ),
        (
            container("volumeMounts: [{name: v}]", "volumes: [{name: v}]"),
            "spec.containers[0].volumeMounts[0].mountPath: Required value",
        ),
        (
            container(
                "volumeMounts: [{name: v, mountPath: /x}, {name: v, mountPath: /x}]",
                "volumes: [{name: v}]",
            ),
            'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
        ),
        (
            container("volumeMounts: [{name: v, mountPath: /x, subPath: a/../b}]", "volumes: [{name: v}]"),
            "spec.containers[0].volumeMounts[0].subPath: Invalid value: \"a/../b\": must not contain '..'",
        ),
        (
            ONE + "\n  volumes: [{name: v, emptyDir: {}, hostPath: {path: /}}]",
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            ONE + "\n  volumes: [{name: v, hostPath: {path: /a/../b}}]",
            "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
        ),
        (
            ONE + "\n  volumes: [{name: v, secret: {secretName: s, defaultMode: 01000}}]",
            "spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), "
            "both inclusive",
        ),
        (
            container("livenessProbe: {}"),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            container("livenessProbe: {tcpSocket: {port: 1}, exec: {command: [a]}}"),
            "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ),
        (
            container("livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}"),
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (
            container("readinessProbe: {tcpSocket: {port: 1}, periodSeconds: -1}"),
            "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            ONE + "\n  initContainers: [{name: x, image: i, livenessProbe: {tcpSocket: {port: 1}}}]",
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always",
        ),
        (
            container("restartPolicy: Sometimes"),
            'spec.containers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", '
            '"OnFailure", "Never"',
        ),
        (
            container("restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]"),
            "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
        ),
        (
            container("restartPolicy: Never, restartPolicyRules: [{action: Restart}]"),
            "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified",
        ),
        (
            container("lifecycle: {stopSignal: SIGUSR1}"),
            "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty "
            "`spec.os.name`",
        ),
        (
            container("resources: {requests: {cpu: 2}, limits: {cpu: 1}}"),
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            container("resources: {requests: {memory: -1}}"),
            'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
        ),
        (
            container("ports: [{containerPort: 70000}]"),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (container("ports: [{name: x}]"), "spec.containers[0].ports[0].containerPort: Required value"),
        (
            container("ports: [{containerPort: 80, hostPort: 81}]", "hostNetwork: true"),
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` "
            "is true",
        ),
        (
            container("securityContext: {runAsUser: -1}"),
            "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, "
            "inclusive",
        ),
        (
            container("securityContext: {privileged: true, allowPrivilegeEscalation: false}"),
            'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: '
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        ),
        (
            ONE + "\n  activeDeadlineSeconds: 0",
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            container("env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        ),
        (
            container("env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.x}}}]"),
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": '
            "error converting fieldPath: field label not supported: spec.x",
        ),
        (
            container("env: [{name: A=B}]"),
            'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist '
            "only of printable ASCII characters other than '='",
        ),
        (
            ONE + "\n  dnsPolicy: None\n  dnsConfig: {}",
            "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` "
            "is None",
        ),
        (
            ONE + "\n  tolerations: [{key: k, tolerationSeconds: 1}]",
            "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when "
            "`tolerationSeconds` is set",
        ),
        (
            ONE + "\n  hostAliases: [{ip: x}]",
            'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
        (
            ONE + "\n  ephemeralContainers: [{name: e, image: i}]",
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ),
    ],
)
def test_an_error_is_worded_as_kubernetes_words_it(spec: str, expected: str) -> None:
    assert errors(spec) == [expected]


def test_names_and_labels_are_checked() -> None:
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: A, labels: {a b: x y}}\nspec:\n  "
    name, key, value = errors(ONE, head)
    assert name == (
        'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
        "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
        r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )
    assert key.startswith('metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters')
    assert value.startswith('metadata.labels: Invalid value: "x y": a valid label must be an empty string or consist')


def test_a_pod_needs_a_name() -> None:
    head = "apiVersion: v1\nkind: Pod\nspec:\n  "
    assert errors(ONE, head) == ["metadata.name: Required value: name or generateName is required"]


def test_errors_become_a_status_with_causes() -> None:
    found = validate.validate_pod(pod("containers: [{}]"))
    status = invalid("Pod", "a", found).status()
    assert status.message == (
        'Pod "a" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]'
    )
    assert (status.code, status.reason) == (422, "Invalid")
    assert status.details
    assert [(cause.field, cause.reason, cause.message) for cause in status.details.causes] == [
        ("spec.containers[0].name", "FieldValueRequired", "Required value"),
        ("spec.containers[0].image", "FieldValueRequired", "Required value"),
    ]


def update_errors(old: str, new: str) -> list[str]:
    return [str(error) for error in validate_update.validate_pod_update(pod(new), pod(old))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ONE, ONE),
        ("containers: [{name: c, image: i:1}]", "containers: [{name: c, image: i:2}]"),
        (ONE, ONE + "\n  activeDeadlineSeconds: 5"),
        (ONE, ONE + "\n  tolerations: [{operator: Exists}]"),
        (ONE + "\n  terminationGracePeriodSeconds: -3", ONE + "\n  terminationGracePeriodSeconds: 1"),
    ],
)
def test_some_fields_may_change(old: str, new: str) -> None:
    assert update_errors(old, new) == []


def test_other_fields_may_not_change() -> None:
    (error,) = update_errors(ONE, ONE + "\n  hostname: h")
    assert error.startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,")
    assert error.endswith('\n+ spec.hostname: "h"')


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            ONE,
            "containers: [{name: c, image: i}, {name: d, image: i}]",
            "spec.containers: Forbidden: pod updates may not add or remove containers",
        ),
        (
            ONE + "\n  activeDeadlineSeconds: 5",
            ONE + "\n  activeDeadlineSeconds: 6",
            "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value",
        ),
        (
            ONE + "\n  activeDeadlineSeconds: 5",
            ONE,
            "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
        ),
        (
            ONE + "\n  tolerations: [{operator: Exists}]",
            ONE,
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ),
    ],
)
def test_a_forbidden_change_is_named(old: str, new: str, expected: str) -> None:
    assert update_errors(old, new) == [expected]


fields = st.fixed_dictionaries(
    {},
    optional={
        "containers": st.lists(
            st.builds(
                objects.Container,
                name=st.text(max_size=3),
                image=st.text(max_size=3),
                ports=st.just((objects.ContainerPort(container_port=-1, host_port=70000),)),
                resources=st.just(objects.ResourceRequirements(limits={"cpu": "1", "a/b/c": "-1n"})),
                liveness_probe=st.just(objects.Probe(http_get=objects.HTTPGetAction(port="--"))) | st.none(),
                volume_devices=st.just((objects.VolumeDevice(name="v"),)),
            ),
            max_size=3,
        ).map(tuple),
        "volumes": st.lists(
            st.sampled_from(objects.Volume.__struct_fields__[:-1]).map(
                lambda field: objects.Volume(**{"name": "v", field: EMPTY.get(field, {})})  # type: ignore[arg-type]
            ),
            max_size=3,
        ).map(tuple),
        "restart_policy": st.text(max_size=3),
        "host_network": st.booleans(),
        "hostname": st.text(max_size=5),
        "node_selector": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    },
)
EMPTY = {
    "host_path": objects.HostPathVolumeSource(),
    "empty_dir": objects.EmptyDirVolumeSource(),
    "secret": objects.SecretVolumeSource(),
    "nfs": objects.NFSVolumeSource(),
    "iscsi": objects.ISCSIVolumeSource(),
    "persistent_volume_claim": objects.PersistentVolumeClaimVolumeSource(),
    "downward_api": objects.DownwardAPIVolumeSource(items=(objects.DownwardAPIVolumeFile(),)),
    "config_map": objects.ConfigMapVolumeSource(),
    "projected": objects.ProjectedVolumeSource(sources=(objects.VolumeProjection(),)),
    "csi": objects.CSIVolumeSource(),
    "ephemeral": objects.EphemeralVolumeSource(volume_claim_template=objects.PersistentVolumeClaimTemplate()),
    "image": objects.ImageVolumeSource(),
}


@given(fields)
def test_any_typed_pod_is_judged_without_a_crash(spec: dict[str, object]) -> None:
    found = defaults.default_pod(objects.Pod(spec=objects.PodSpec(**spec)))  # type: ignore[arg-type]
    problems = [*validate.validate_pod(found), *supported.unsupported(found)]
    assert problems
    assert invalid("Pod", "", problems).status().code == 422
    assert not [each for each in validate_update.validate_pod_update(found, found) if each.path == "spec"]


def test_a_hostname_override_is_a_whole_name_of_at_most_64_characters_and_stands_alone() -> None:
    assert errors(f"{ONE}\n  hostnameOverride: www.example.com\n  subdomain: s") == []
    assert errors(f"{ONE}\n  hostnameOverride: {'a' * 65}") == [
        "spec.hostnameOverride: Too long: may not be more than 64 bytes"
    ]
    assert errors(f"{ONE}\n  hostnameOverride: ''")[0].startswith(
        'spec.hostnameOverride: Invalid value: "": a lowercase'
    )
    assert errors(f"{ONE}\n  hostnameOverride: a\n  hostNetwork: true\n  setHostnameAsFQDN: true") == [
        "spec.hostnameOverride: Forbidden: may not be specified when `setHostnameAsFQDN` is true",
        "spec.hostnameOverride: Forbidden: may not be specified when `hostNetwork` is true",
    ]


def test_the_claim_of_an_ephemeral_volume_is_judged_as_one_that_stands_alone() -> None:
    def found(template: str) -> list[str]:
        volume = f"{{name: v, ephemeral: {{volumeClaimTemplate: {template}}}}}"
        return [each.removeprefix(PATH) for each in errors(f"{ONE}\n  volumes: [{volume}]")]

    PATH = "spec.volumes[0].ephemeral.volumeClaimTemplate."
    good = "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"
    assert found(f"{{metadata: {{labels: {{a: b}}, annotations: {{c: d}}}}, {good}}}") == []
    assert found(f"{{metadata: {{name: x, finalizers: [f], labels: {{a: '-'}}}}, {good}}}")[1:] == [
        "metadata.name: Forbidden: cannot be set",
        "metadata.finalizers: Forbidden: cannot be set",
    ]
    assert found("{spec: {volumeMode: Block}}") == [
        "spec.accessModes: Required value: at least 1 access mode is required",
        "spec.resources[storage]: Required value",
        f"spec.volumeMode: Forbidden: {supported.NOT_YET}",
    ]
    assert errors(f"{ONE}\n  volumes: [{{name: v, ephemeral: {{}}}}]") == [f"{PATH.removesuffix('.')}: Required value"]


def test_a_stop_signal_is_one_that_linux_has() -> None:
    (error,) = errors(container("lifecycle: {stopSignal: SIGHUG}", "os: {name: linux}"))
    start = (
        'spec.containers[0].lifecycle.stopSignal: Unsupported value: "SIGHUG": supported values: "SIGABRT", "SIGALRM"'
    )
    assert error.startswith(start)
    assert errors(container("lifecycle: {stopSignal: SIGUSR1}", "os: {name: linux}")) == []
