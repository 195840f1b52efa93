"""Where each of a pod's volumes is, and what the shim holds for them in memory. Pure.

What podrun writes (configMap, secret, downwardAPI, projected) and emptyDir of medium Memory is never on the disk: it is
in file systems of the shim's own mount namespace, which come and go with the sandbox. Rules: pkg/volume/emptydir.
"""

from __future__ import annotations

from podrun.api import objects, pod_resources, quantity
from podrun.container.plan import Held
from podrun.errors import PodrunError
from podrun.kubelet.mount_plan import Source
from podrun.kubelet.places import PodPlace

HUGE_PAGES = "HugePages"
EMPTY_DIR_MODE = 0o777  # as the kubelet makes it, without the sticky bit
GROUP_BITS = 0o2770  # what fsGroup adds to a directory


def sources(pod: objects.Pod, place: PodPlace) -> dict[str, Source]:
    """By name, without images."""
    return {volume.name: _source(volume, place) for volume in pod.spec.volumes if volume.image is None}


def _source(volume: objects.Volume, place: PodPlace) -> Source:
    idmapped = place.first_id != 0  # what may outlive the pod, or is of others
    if volume.host_path is not None:
        return Source(volume.host_path.path, idmapped=idmapped)
    if is_claimed(volume):
        place_of_claim = place.volume("persistent-volume-claim", volume.name)
        return Source(str(place_of_claim), readonly=is_read_only_claim(volume), idmapped=idmapped)
    if is_written(volume):
        return Source(str(place.written / volume.name), held=True, readonly=True, owner=place.first_id)
    if is_in_memory(volume):
        return Source(str(place.held(volume.name)), held=True, owner=place.first_id)
    return Source(str(place.volume("empty-dir", volume.name)), owner=place.first_id)


def is_written(volume: objects.Volume) -> bool:
    """podrun itself writes what is in it."""
    return any((volume.config_map, volume.secret, volume.downward_api, volume.projected))


def is_claimed(volume: objects.Volume) -> bool:
    """What a PersistentVolumeClaim is bound to."""
    return volume.persistent_volume_claim is not None or volume.ephemeral is not None


def is_read_only_claim(volume: objects.Volume) -> bool:
    return volume.persistent_volume_claim is not None and volume.persistent_volume_claim.read_only


def is_in_memory(volume: objects.Volume) -> bool:
    """An emptyDir that is no directory of the disk."""
    return volume.empty_dir is not None and volume.empty_dir.medium != ""


def is_on_disk(volume: objects.Volume) -> bool:
    """An emptyDir that is a directory of the pod."""
    return volume.empty_dir is not None and volume.empty_dir.medium == ""


def held(pod: objects.Pod, place: PodPlace, memory: int) -> tuple[Held, ...]:
    """The file systems that the shim mounts. `memory`: bytes of the machine. PodrunError: a medium can't be had."""
    found = [memory_mount(pod, volume, place, memory) for volume in pod.spec.volumes if is_in_memory(volume)]
    if any(map(is_written, pod.spec.volumes)):
        # noswap, Linux 6.4: secrets do not reach the disk that way either.
        found.append(Held(str(place.written), options={"mode": "755"} | _owners(place.first_id), wishes={"noswap": ""}))
    return tuple(found)


def memory_mount(pod: objects.Pod, volume: objects.Volume, place: PodPlace, memory: int) -> Held:
    """The file system of one emptyDir. PodrunError: its medium can't be had."""
    source = volume.empty_dir or objects.EmptyDirVolumeSource()
    limit = None if source.size_limit is None else quantity.bytes_value(source.size_limit)
    options = {"mode": f"{EMPTY_DIR_MODE:o}"} | _owners(place.first_id)
    if (group := fs_group(pod)) is not None:
        options |= {"mode": f"{EMPTY_DIR_MODE | GROUP_BITS:o}", "gid": str(place.first_id + group)}
    path = str(place.held(volume.name))
    if source.medium != "Memory" and not source.medium.startswith(HUGE_PAGES):
        raise PodrunError(f'unknown storage medium "{source.medium}"')
    if source.medium.startswith(HUGE_PAGES):
        options["pagesize"] = str(huge_page_size(pod.spec, source.medium))
        return Held(path, "hugetlbfs", options | ({"size": str(limit)} if limit else {}))
    sizes = filter(None, (memory, limit, pod_resources.pod_limit(pod.spec, "memory")))
    return Held(path, options=options | {"size": str(min(sizes))})


def _owners(first_id: int) -> dict[str, str]:
    return {"uid": str(first_id), "gid": str(first_id)} if first_id else {}


def huge_page_size(spec: objects.PodSpec, medium: str) -> int:
    """Bytes. Of `HugePages-2Mi` that size, which a container must ask for; of `HugePages` the one that they ask for."""
    prefix = "hugepages-"
    asked = {
        quantity.bytes_value(name.removeprefix(prefix))
        for container in (*spec.init_containers, *spec.containers)
        for name in (*container.resources.requests, *container.resources.limits)
        if name.startswith(prefix)
    }
    if medium != HUGE_PAGES:
        asked &= {_size(medium.removeprefix(f"{HUGE_PAGES}-"))}
    if not asked:
        raise PodrunError("hugePages storage requested, but there is no resource request for huge pages")
    if len(asked) > 1:
        raise PodrunError(f"medium: {medium} can't be used if container requests multiple huge page sizes")
    return asked.pop()


def fs_group(pod: objects.Pod) -> int | None:
    """The group that owns the pod's volumes."""
    return pod.spec.security_context.fs_group if pod.spec.security_context else None


def _size(text: str) -> int:
    try:
        return quantity.bytes_value(text)
    except quantity.QuantityError as error:
        raise PodrunError(f"unknown storage medium: {error}") from error
