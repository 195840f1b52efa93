"""What is filled in where a manifest says nothing, and what podrun refuses because it cannot do it yet."""

from __future__ import annotations

import pytest

from podrun.api import defaults, kinds, objects, parse, supported

HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  "


def pod(spec: str) -> objects.Pod:
    (found,) = parse.parse((HEAD + spec + "\n").encode())
    assert isinstance(found, objects.Pod)
    return defaults.default_pod(found)


def test_a_minimal_pod_is_printed_with_kubernetes_defaults() -> None:
    assert kinds.to_json(pod("containers: [{name: c, image: i, ports: [{containerPort: 80}]}]").spec).decode() == (
        '{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},'
        '"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"Always"}],'
        '"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst",'
        '"serviceAccountName":"default","serviceAccount":"default","securityContext":{},'
        '"schedulerName":"default-scheduler","priority":0,"enableServiceLinks":true,'
        '"preemptionPolicy":"PreemptLowerPriority"}'
    )


def test_defaults_set_twice_change_nothing() -> None:
    first = pod("containers: [{name: c, image: i, livenessProbe: {httpGet: {port: 1}}}]\n  volumes: [{name: v}]")
    assert defaults.default_pod(first) == first


def test_limits_become_requests() -> None:
    resources = pod("containers: [{name: c, resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 100m}}}]")
    assert resources.spec.containers[0].resources.requests == {"cpu": "100m", "memory": "1Gi"}


def test_a_probe_gets_its_numbers() -> None:
    probe = pod("containers: [{name: c, livenessProbe: {httpGet: {port: 80}}}]").spec.containers[0].liveness_probe
    assert probe == objects.Probe(
        http_get=objects.HTTPGetAction(path="/", port=80, scheme="HTTP"),
        timeout_seconds=1,
        period_seconds=10,
        success_threshold=1,
        failure_threshold=3,
    )


def test_a_port_on_the_hosts_network_is_the_hosts_port() -> None:
    found = pod("hostNetwork: true\n  containers: [{name: c, ports: [{containerPort: 80}]}]")
    assert found.spec.containers[0].ports[0].host_port == 80


def test_a_volume_with_only_a_name_is_an_empty_dir() -> None:
    assert pod("volumes: [{name: v}]").spec.volumes[0].empty_dir == objects.EmptyDirVolumeSource()


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("busybox:1.36", "IfNotPresent"),
        ("localhost:5000/busybox", "Always"),
        ("localhost:5000/busybox:1", "IfNotPresent"),
        ("busybox@sha256:00", "IfNotPresent"),
        ("busybox:latest@sha256:00", "Always"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert defaults.image_pull_policy(image) == policy


def refused(spec: str) -> list[str]:
    return [str(error).replace(f": Forbidden: {supported.NOT_YET}", "") for error in supported.unsupported(pod(spec))]


def test_what_podrun_does_is_not_refused() -> None:
    spec = """
  initContainers: [{name: first, image: i}]
  containers:
  - name: c
    image: i
    command: [a]
    args: [b]
    workingDir: /w
    env: [{name: A, value: "1"}]
    ports: [{name: http, containerPort: 80, hostPort: 0}]
    resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
    resources: {limits: {cpu: 1, memory: 1Gi, hugepages-2Mi: 2Mi, ephemeral-storage: 1Gi, example.com/gpu: 1}}
    volumeMounts: [{name: e, mountPath: /e, readOnly: true, mountPropagation: None}]
    stdin: true
    stdinOnce: true
    tty: true
    securityContext: {privileged: false, allowPrivilegeEscalation: true, capabilities: {}, procMount: Default}
  volumes: [{name: e, emptyDir: {medium: Memory, sizeLimit: 1Gi}}, {name: h, hostPath: {path: /x, type: Socket}},
    {name: v, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce]}}}}]
  hostNetwork: true
  hostPID: false
  hostUsers: true
  os: {name: linux}
  resources: {limits: {cpu: 2, memory: 2Gi}}
  shareProcessNamespace: true
  hostAliases: [{ip: 127.0.0.1, hostnames: [x]}]
  tolerations: [{operator: Exists}]
  automountServiceAccountToken: false
  nodeName: here
"""
    assert refused(spec) == []


def test_what_podrun_does_not_do_yet_is_refused_by_path() -> None:
    spec = """
  initContainers: [{name: s, image: i, restartPolicy: Always}]
  containers:
  - name: c
    image: i
    livenessProbe: {tcpSocket: {port: 1}}
    env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    securityContext: {seLinuxOptions: {level: s0}}
  volumes: [{name: e, emptyDir: {medium: Memory}}, {name: s, nfs: {server: s, path: /}},
    {name: t, projected: {sources: [{clusterTrustBundle: {name: b, path: x}}]}}]
  activeDeadlineSeconds: 3
"""
    assert refused(spec) == [
        "spec.volumes[1].nfs",
        "spec.volumes[2].projected.sources[0].clusterTrustBundle",
        "spec.containers[0].securityContext.seLinuxOptions: Forbidden: podrun sets no SELinux labels",
    ]


def test_every_row_names_a_field_that_exists() -> None:
    for rows, type_ in (
        (supported.METADATA, objects.ObjectMeta),
        (supported.SPEC, objects.PodSpec),
        (supported.POD_SECURITY, objects.PodSecurityContext),
        (supported.CONTAINER, objects.Container),
        (supported.CONTAINER_SECURITY, objects.SecurityContext),
        (supported.VOLUME, objects.Volume),
        (supported.PROJECTION, objects.VolumeProjection),
    ):
        assert {row.field for row in rows} <= set(type_.__struct_fields__)
