"""What Kubernetes fills in where a manifest says nothing (pkg/apis/core/v1/defaults.go).

Of what admission adds in a cluster, only what has a meaning on one machine: service account and priority.
"""

from __future__ import annotations

import base64
import re

from msgspec.structs import replace

from podrun.api import objects, pod_resources
from podrun.api.objects import Container, EphemeralContainer, Pod, PodSpec, Probe, Volume

DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600
STORAGE_CLASS = "standard"
"""Of a claim that names none."""

PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""The PriorityClasses that every cluster has; there are no others here."""

_TAG = re.compile(r":([^/:@]+)(@.*)?$")


def default_pod(pod: Pod) -> Pod:
    """The pod with every default set; a namespace too."""
    metadata = pod.metadata if pod.metadata.namespace else replace(pod.metadata, namespace="default")
    return replace(pod, metadata=metadata, spec=default_spec(pod.spec))


def default_spec(spec: PodSpec) -> PodSpec:
    """The spec with every default set; applied twice it changes nothing more."""
    return _with_pod_resources(_default_spec(spec))


def _default_spec(spec: PodSpec) -> PodSpec:
    account = spec.service_account_name or spec.service_account or "default"
    grace = spec.termination_grace_period_seconds
    return replace(
        spec,
        volumes=tuple(_volume(volume) for volume in spec.volumes),
        init_containers=tuple(_container(each, spec.host_network) for each in spec.init_containers),
        containers=tuple(_container(each, spec.host_network) for each in spec.containers),
        ephemeral_containers=tuple(_ephemeral(each) for each in spec.ephemeral_containers),
        restart_policy=spec.restart_policy or "Always",
        dns_policy=spec.dns_policy or "ClusterFirst",
        termination_grace_period_seconds=30 if grace is None else grace,
        scheduler_name=spec.scheduler_name or "default-scheduler",
        security_context=spec.security_context or objects.PodSecurityContext(),
        enable_service_links=True if spec.enable_service_links is None else spec.enable_service_links,
        service_account_name=account,
        service_account=account,
        priority=PRIORITIES.get(spec.priority_class_name, 0) if spec.priority is None else spec.priority,
        preemption_policy=spec.preemption_policy or "PreemptLowerPriority",
    )


def default_secret(secret: objects.Secret) -> objects.Secret:
    """With its type, and `string_data` folded into `data`."""
    folded = {key: base64.b64encode(text.encode()).decode() for key, text in secret.string_data.items()}
    return replace(secret, type=secret.type or "Opaque", data=secret.data | folded, string_data={})


def default_claim(claim: objects.PersistentVolumeClaim) -> objects.PersistentVolumeClaim:
    spec = claim.spec
    storage_class = STORAGE_CLASS if spec.storage_class_name is None else spec.storage_class_name
    spec = replace(spec, volume_mode=spec.volume_mode or "Filesystem", storage_class_name=storage_class)
    return replace(claim, spec=spec)


def image_pull_policy(image: str) -> str:
    """Always for `latest` or no tag, IfNotPresent for any other tag or a digest."""
    tag = _TAG.search(image.partition("@")[0])
    latest = tag[1] == "latest" if tag else "@" not in image
    return "Always" if latest else "IfNotPresent"


def _container(container: Container, host_network: bool) -> Container:
    return replace(
        container,
        ports=tuple(_port(port, host_network) for port in container.ports),
        env=tuple(_env(variable) for variable in container.env),
        resources=_resources(container.resources),
        liveness_probe=_probe(container.liveness_probe),
        readiness_probe=_probe(container.readiness_probe),
        startup_probe=_probe(container.startup_probe),
        lifecycle=_lifecycle(container.lifecycle),
        termination_message_path=container.termination_message_path or "/dev/termination-log",
        termination_message_policy=container.termination_message_policy or "File",
        image_pull_policy=container.image_pull_policy or image_pull_policy(container.image),
    )


def _ephemeral(container: EphemeralContainer) -> EphemeralContainer:
    return replace(
        container,
        env=tuple(_env(variable) for variable in container.env),
        termination_message_path=container.termination_message_path or "/dev/termination-log",
        termination_message_policy=container.termination_message_policy or "File",
        image_pull_policy=container.image_pull_policy or image_pull_policy(container.image),
    )


def _port(port: objects.ContainerPort, host_network: bool) -> objects.ContainerPort:
    host_port = port.container_port if host_network and not port.host_port else port.host_port
    return replace(port, protocol=port.protocol or "TCP", host_port=host_port)


def _resources(resources: objects.ResourceRequirements) -> objects.ResourceRequirements:
    """A limit without a request is the request too."""
    missing = {name: limit for name, limit in resources.limits.items() if name not in resources.requests}
    return replace(resources, requests=resources.requests | missing) if missing else resources


def _with_pod_resources(spec: PodSpec) -> PodSpec:
    """Where the pod itself says some of its resources: what its containers ask for, else its own limits (KEP-2837)."""
    resources = pod_resources.own(spec)
    if resources is None:
        return spec
    limits = dict(resources.limits)
    for name, together in pod_resources.aggregate(spec, lambda each: each.limits).items():
        if name.startswith(pod_resources.HUGE) and name not in resources.requests:
            limits.setdefault(name, str(together))
    requests = dict(resources.requests)
    for name, together in pod_resources.aggregate(spec, lambda each: each.requests).items():
        if pod_resources.is_for_pods(name) and pod_resources.may_overcommit(name):
            requests.setdefault(name, str(together))
    for name, limit in limits.items():
        if pod_resources.is_for_pods(name):
            requests.setdefault(name, limit)
    return replace(spec, resources=replace(resources, limits=limits, requests=requests))


def _env(variable: objects.EnvVar) -> objects.EnvVar:
    source = variable.value_from
    if source is None or source.field_ref is None:
        return variable
    return replace(variable, value_from=replace(source, field_ref=_field_ref(source.field_ref)))


def _field_ref(selector: objects.ObjectFieldSelector) -> objects.ObjectFieldSelector:
    return replace(selector, api_version=selector.api_version or "v1")


def _probe(probe: Probe | None) -> Probe | None:
    if probe is None:
        return None
    grpc = probe.grpc
    return replace(
        probe,
        http_get=_http_get(probe.http_get),
        grpc=replace(grpc, service=grpc.service or "") if grpc else None,
        timeout_seconds=probe.timeout_seconds or 1,
        period_seconds=probe.period_seconds or 10,
        success_threshold=probe.success_threshold or 1,
        failure_threshold=probe.failure_threshold or 3,
    )


def _http_get(action: objects.HTTPGetAction | None) -> objects.HTTPGetAction | None:
    return replace(action, path=action.path or "/", scheme=action.scheme or "HTTP") if action else None


def _lifecycle(lifecycle: objects.Lifecycle | None) -> objects.Lifecycle | None:
    if lifecycle is None:
        return None
    return replace(lifecycle, post_start=_hook(lifecycle.post_start), pre_stop=_hook(lifecycle.pre_stop))


def _hook(hook: objects.LifecycleHandler | None) -> objects.LifecycleHandler | None:
    return replace(hook, http_get=_http_get(hook.http_get)) if hook else None


def _volume(volume: Volume) -> Volume:
    if volume == Volume(name=volume.name):
        return replace(volume, empty_dir=objects.EmptyDirVolumeSource())
    path, image, claim, iscsi = volume.host_path, volume.image, volume.ephemeral, volume.iscsi
    return replace(
        volume,
        host_path=replace(path, type=path.type or "") if path else None,
        secret=_secret(volume.secret),
        config_map=_config_map(volume.config_map),
        downward_api=_downward(volume.downward_api),
        projected=_projected(volume.projected),
        iscsi=replace(iscsi, iscsi_interface=iscsi.iscsi_interface or "default") if iscsi else None,
        image=replace(image, pull_policy=image.pull_policy or image_pull_policy(image.reference)) if image else None,
        ephemeral=_claim(claim) if claim else None,
    )


def _secret(source: objects.SecretVolumeSource | None) -> objects.SecretVolumeSource | None:
    return replace(source, default_mode=_mode(source.default_mode)) if source else None


def _config_map(source: objects.ConfigMapVolumeSource | None) -> objects.ConfigMapVolumeSource | None:
    return replace(source, default_mode=_mode(source.default_mode)) if source else None


def _mode(mode: int | None) -> int:
    return DEFAULT_MODE if mode is None else mode


def _downward(source: objects.DownwardAPIVolumeSource | None) -> objects.DownwardAPIVolumeSource | None:
    if source is None:
        return None
    return replace(source, items=_downward_items(source.items), default_mode=_mode(source.default_mode))


def _downward_items(items: tuple[objects.DownwardAPIVolumeFile, ...]) -> tuple[objects.DownwardAPIVolumeFile, ...]:
    return tuple(replace(item, field_ref=_field_ref(item.field_ref)) if item.field_ref else item for item in items)


def _projected(source: objects.ProjectedVolumeSource | None) -> objects.ProjectedVolumeSource | None:
    if source is None:
        return None
    sources = tuple(_projection(each) for each in source.sources)
    return replace(source, sources=sources, default_mode=_mode(source.default_mode))


def _projection(projection: objects.VolumeProjection) -> objects.VolumeProjection:
    token, downward = projection.service_account_token, projection.downward_api
    if token and token.expiration_seconds is None:
        token = replace(token, expiration_seconds=TOKEN_SECONDS)
    if downward:
        downward = replace(downward, items=_downward_items(downward.items))
    return replace(projection, service_account_token=token, downward_api=downward)


def _claim(source: objects.EphemeralVolumeSource) -> objects.EphemeralVolumeSource:
    template = source.volume_claim_template
    if template is None:
        return source
    spec = replace(template.spec, volume_mode=template.spec.volume_mode or "Filesystem")
    return replace(source, volume_claim_template=replace(template, spec=spec))
