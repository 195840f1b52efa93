"""From what a client wrote to what is stored: defaults, validation, what podrun does not carry out. Pure."""

from __future__ import annotations

import random

from msgspec.structs import replace

from podrun.api import (
    defaults,
    kinds,
    objects,
    pod_resources,
    status_errors,
    supported,
    validate,
    validate_claim,
    validate_config,
    validate_meta,
    validate_names,
    validate_node,
    validate_resize,
    validate_update,
    validate_volume,
)
from podrun.api.field_errors import FieldError
from podrun.controllers import binding
from podrun.server import resources

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names, as apimachinery's util/rand: no vowels, no words."""

_PENDING_CLAIM = objects.PersistentVolumeClaimStatus(phase="Pending")
_PENDING_VOLUME = objects.PersistentVolumeStatus(phase="Pending")


def admit(new: objects.Object, kind: kinds.Kind, namespace: str) -> objects.Object:
    """The object as it is to be created. StatusError: invalid, or in another namespace than `namespace`."""
    metadata = _new_metadata(new.metadata, kind, namespace)
    match new:
        case objects.Pod():
            if validate_update.MIRROR in metadata.annotations:
                raise status_errors.forbidden("pods", metadata.name, "only the kubelet may create mirror pods")
            _check_priority(new)
            _check_runtime_class(new)
            pod = defaults.default_pod(replace(new, metadata=metadata, status=objects.PodStatus(phase="Pending")))
            _refuse("Pod", metadata.name, [*validate.validate_pod(pod), *supported.unsupported(pod)])
            status = objects.PodStatus(phase="Pending", qos_class=pod_resources.qos_class(pod.spec))
            return replace(pod, status=status)
        case objects.Namespace():
            problems = validate_meta.check_meta(metadata, namespaced=False, name_problems=validate_names.label_problems)
            _refuse("Namespace", metadata.name, list(problems))
            labels = metadata.labels | {"kubernetes.io/metadata.name": metadata.name}
            metadata = replace(metadata, labels=labels)
            spec = objects.NamespaceSpec(finalizers=("kubernetes",))
            return replace(new, metadata=metadata, spec=spec, status=objects.NamespaceStatus(phase="Active"))
        case objects.ConfigMap():
            config = replace(new, metadata=metadata)
            _refuse("ConfigMap", metadata.name, list(validate_config.check_config_map(config)))
            return config
        case objects.Secret():
            secret = defaults.default_secret(replace(new, metadata=metadata))
            _refuse("Secret", metadata.name, list(validate_config.check_secret(secret)))
            return secret
        case objects.PersistentVolumeClaim():
            metadata = _protected(metadata, binding.CLAIM_PROTECTION)
            claim = defaults.default_claim(replace(new, metadata=metadata, status=_PENDING_CLAIM))
            _refuse("PersistentVolumeClaim", metadata.name, list(validate_claim.check_claim(claim)))
            return claim
        case objects.PersistentVolume():
            metadata = _protected(metadata, binding.VOLUME_PROTECTION)
            volume = validate_volume.with_defaults(replace(new, metadata=metadata, status=_PENDING_VOLUME))
            _refuse("PersistentVolume", metadata.name, list(validate_volume.check_volume(volume)))
            return volume
        case objects.ServiceAccount():
            account = replace(new, metadata=metadata)
            _refuse("ServiceAccount", metadata.name, list(validate_meta.check_meta(metadata)))
            return account
        case _:
            raise status_errors.method_not_allowed()


def _check_priority(pod: objects.Pod) -> None:
    """As the admission plugin Priority. StatusError: an unknown class, or a number that is not its own."""
    name, given = pod.spec.priority_class_name, pod.spec.priority
    if name and name not in defaults.PRIORITIES:
        raise status_errors.forbidden("pods", pod.metadata.name, f"no PriorityClass with name {name} was found")
    computed = defaults.PRIORITIES.get(name, 0)
    if given is not None and given != computed:
        why = (
            f"the integer value of priority ({given}) must not be provided in pod spec; "
            f"priority admission controller computed {computed} from the given PriorityClass name"
        )
        raise status_errors.forbidden("pods", pod.metadata.name, why)


def _check_runtime_class(pod: objects.Pod) -> None:
    """As the admission plugin RuntimeClass, where there is none. StatusError."""
    why = ""
    if pod.spec.runtime_class_name is not None:
        why = f'RuntimeClass "{pod.spec.runtime_class_name}" not found'
    elif pod.spec.overhead:
        why = "Pod Overhead set without corresponding RuntimeClass defined Overhead"
    if why:
        raise status_errors.forbidden("pods", pod.metadata.name, f"pod rejected: {why}")


def admit_local(new: objects.Object) -> objects.Object:
    """What is asked for by a file on this machine, as `admit`; also StatusError: a kind that is not carried out yet."""
    name = type(new).__name__
    kind = kinds.find("v1", name)
    if kind is None or kind.name not in resources.CREATABLE or kind.name == "PersistentVolume":
        message = f'cannot create {name} "{new.metadata.name}": podrun does not carry out this kind yet'
        raise status_errors.StatusError(404, "NotFound", message)
    return admit(new, kind, new.metadata.namespace or "default")


def admit_change(new: objects.Object, old: objects.Object) -> objects.Object:
    """`new` in the place of `old`, with what clients can't change taken from there. StatusError: invalid."""
    metadata = _kept_metadata(new.metadata, old.metadata)
    match new, old:
        case objects.Pod(), objects.Pod():
            node = new.spec.node_name or old.spec.node_name
            spec = replace(defaults.default_spec(new.spec), node_name=node)
            pod = replace(new, metadata=metadata, spec=spec, status=old.status)
            if pod != old:
                errors = [*validate_update.validate_pod_update(pod, old), *supported.unsupported(pod)]
                _refuse("Pod", metadata.name, errors)
            return pod
        case objects.Namespace(), objects.Namespace():
            return replace(new, metadata=metadata, spec=old.spec, status=old.status)
        case objects.ConfigMap(), objects.ConfigMap():
            config = replace(new, metadata=metadata)
            _refuse("ConfigMap", metadata.name, list(validate_config.check_config_map_update(config, old)))
            return config
        case objects.Secret(), objects.Secret():
            secret = defaults.default_secret(replace(new, metadata=metadata))
            _refuse("Secret", metadata.name, list(validate_config.check_secret_update(secret, old)))
            return secret
        case objects.PersistentVolumeClaim(), objects.PersistentVolumeClaim():
            claim = defaults.default_claim(replace(new, metadata=metadata, status=old.status))
            _refuse("PersistentVolumeClaim", metadata.name, list(validate_claim.check_claim_update(claim, old)))
            return claim
        case objects.PersistentVolume(), objects.PersistentVolume():
            volume = validate_volume.with_defaults(replace(new, metadata=metadata, status=old.status))
            _refuse("PersistentVolume", metadata.name, list(validate_volume.check_volume_update(volume, old)))
            return volume
        case objects.ServiceAccount(), objects.ServiceAccount():
            account = replace(new, metadata=metadata)
            _refuse("ServiceAccount", metadata.name, list(validate_meta.check_meta(metadata)))
            return account
        case objects.Node(), objects.Node():
            changed = replace(old, metadata=metadata, spec=new.spec)
            _refuse("Node", metadata.name, list(validate_node.check_node_update(changed, old)))
            return changed
        case _:
            raise status_errors.method_not_allowed()


def admit_status(new: objects.Object, old: objects.Object) -> objects.Object:
    """`old` with the status of `new`; of a node, with its extended resources. StatusError: invalid."""
    if isinstance(new, objects.Node) and isinstance(old, objects.Node):
        node = validate_node.advertised(new, old)
        _refuse("Node", old.metadata.name, list(validate_node.check_node_resources(node)))
        return node
    return replace(old, status=getattr(new, "status", None))


def admit_ephemeral_containers(new: objects.Object, old: objects.Object) -> objects.Object:
    """`old` with the ephemeral containers of `new`. StatusError: invalid."""
    if not isinstance(new, objects.Pod) or not isinstance(old, objects.Pod):
        raise status_errors.path_not_found()
    wanted = defaults.default_spec(new.spec).ephemeral_containers
    pod = replace(old, spec=replace(old.spec, ephemeral_containers=wanted))
    if pod != old:
        errors = [*validate_update.validate_ephemeral_containers_update(pod, old), *supported.unsupported(pod)]
        _refuse("Pod", old.metadata.name, errors)
    return pod


def _protected(metadata: objects.ObjectMeta, finalizer: str) -> objects.ObjectMeta:
    return replace(metadata, finalizers=tuple(dict.fromkeys((*metadata.finalizers, finalizer))))


def admit_resize(new: objects.Object, old: objects.Object) -> objects.Object:
    """`old` with the resources of `new`. StatusError: invalid."""
    if not isinstance(new, objects.Pod) or not isinstance(old, objects.Pod):
        raise status_errors.method_not_allowed()
    pod = validate_resize.resized(new, old)
    pod = replace(pod, spec=defaults.default_spec(pod.spec))
    if pod != old:
        _refuse("Pod", old.metadata.name, [*validate_resize.validate_resize(pod, old), *supported.unsupported(pod)])
    return pod


def _new_metadata(metadata: objects.ObjectMeta, kind: kinds.Kind, namespace: str) -> objects.ObjectMeta:
    name = metadata.name
    if not name and metadata.generate_name:
        name = metadata.generate_name[:58] + "".join(random.choices(_SUFFIX_LETTERS, k=5))
    return objects.ObjectMeta(
        name=name,
        generate_name=metadata.generate_name,
        namespace=namespace if kind.namespaced else "",
        labels=metadata.labels,
        annotations=metadata.annotations,
        owner_references=metadata.owner_references,
        finalizers=metadata.finalizers,
    )


def _kept_metadata(new: objects.ObjectMeta, old: objects.ObjectMeta) -> objects.ObjectMeta:
    return replace(
        old,
        labels=new.labels,
        annotations=new.annotations,
        owner_references=new.owner_references,
        finalizers=new.finalizers,
    )


def check_namespace(metadata: objects.ObjectMeta, kind: kinds.Kind, namespace: str) -> None:
    """StatusError: the object says another namespace than the path it is sent to."""
    if kind.namespaced and metadata.namespace not in ("", namespace):
        raise status_errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _refuse(kind: str, name: str, errors: list[FieldError]) -> None:
    if errors:
        raise status_errors.invalid(kind, name, errors)
