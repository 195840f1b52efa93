"""The other objects that a pod needs: whose change may let it go on, or changes what it sees. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api import objects, pod_claims

KINDS = (objects.ConfigMap, objects.Secret, objects.PersistentVolumeClaim, objects.ServiceAccount)

Reference = tuple[str, str]
"""Kind and name, in the pod's own namespace."""


def of_pod(pod: objects.Pod) -> frozenset[Reference]:
    return frozenset((*_of_volumes(pod), *_of_containers(pod.spec)))


def _of_containers(spec: objects.PodSpec) -> Iterator[Reference]:
    for container in (*spec.init_containers, *spec.containers, *spec.ephemeral_containers):
        for each in container.env_from:
            if each.config_map_ref is not None:
                yield "ConfigMap", each.config_map_ref.name
            if each.secret_ref is not None:
                yield "Secret", each.secret_ref.name
        for source in (variable.value_from for variable in container.env):
            if source is not None and source.config_map_key_ref is not None:
                yield "ConfigMap", source.config_map_key_ref.name
            if source is not None and source.secret_key_ref is not None:
                yield "Secret", source.secret_key_ref.name
    yield from (("Secret", each.name) for each in spec.image_pull_secrets)


def _of_volumes(pod: objects.Pod) -> Iterator[Reference]:
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            yield "ConfigMap", volume.config_map.name
        if volume.secret is not None:
            yield "Secret", volume.secret.secret_name
        if (claim := pod_claims.claim_name(pod.metadata.name, volume)) is not None:
            yield "PersistentVolumeClaim", claim
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.config_map is not None:
                yield "ConfigMap", source.config_map.name
            if source.secret is not None:
                yield "Secret", source.secret.name
            if source.service_account_token is not None:
                yield "ServiceAccount", pod.spec.service_account_name or "default"
