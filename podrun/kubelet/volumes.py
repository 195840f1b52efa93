"""A pod's volumes: which file of volume/ makes which kind. Where each one is stands in volume_places.py."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from podrun.api import objects
from podrun.errors import PodrunError, in_words
from podrun.kubelet import claims, id_ranges, mount_plan, volume_places
from podrun.kubelet.claims import Claimed, ClaimedDirectory
from podrun.kubelet.mount_plan import Source
from podrun.kubelet.places import PodPlace
from podrun.volume import empty_dir, host_path, huge_pages, ownership, persistent, propagation, subpaths

logger = logging.getLogger(__name__)


def prepare(pod: objects.Pod, place: PodPlace, memory: int, claimed: Claimed) -> None:
    """Make what is on the disk, and see that the rest can be made; done again it changes nothing. Blocks.

    `memory`: bytes of the machine; `claimed`: where the volumes are that are claims. PodrunError in the words of the
    event FailedMount, OSError.
    """
    id_ranges.keep(place.pod_dir, place.first_id)
    claims.check(claimed)
    for volume in pod.spec.volumes:
        try:
            directory = claimed.get(volume.name)
            if isinstance(directory, ClaimedDirectory):
                _link(place.volume("persistent-volume-claim", volume.name), directory)
            else:
                _prepare(pod, volume, place, memory)
            _give_to_group(pod, volume, place, claimed)
        except (OSError, PodrunError, ValueError) as error:  # ValueError: a path with a null character
            raise PodrunError(f'MountVolume.SetUp failed for volume "{volume.name}" : {in_words(error)}') from error


def _prepare(pod: objects.Pod, volume: objects.Volume, place: PodPlace, memory: int) -> None:
    if volume_places.is_in_memory(volume):
        held = volume_places.memory_mount(pod, volume, place, memory)
        if held.fstype == "hugetlbfs":
            huge_pages.check(int(held.options["pagesize"]))
    elif volume.empty_dir is not None:
        empty_dir.prepare(place.volume("empty-dir", volume.name), place.first_id)
    elif volume.host_path is not None:
        host_path.prepare(Path(volume.host_path.path), volume.host_path.type or "")
    elif volume.image is None and not volume_places.is_written(volume):
        raise PodrunError("podrun does not carry out this kind of volume yet")


def _give_to_group(pod: objects.Pod, volume: objects.Volume, place: PodPlace, claimed: Claimed) -> None:
    """fsGroup, of what is on the disk and podrun's to give away: a hostPath is not, as a volume or behind a claim."""
    group = volume_places.fs_group(pod)
    is_claimed, directory = volume_places.is_claimed(volume), claimed.get(volume.name)
    given = volume_places.is_on_disk(volume) or (
        not volume_places.is_read_only_claim(volume)
        and isinstance(directory, ClaimedDirectory)
        and directory.type is None
    )
    if group is None or not given:
        return
    # The change policy is for what outlives pods (pkg/volume/emptydir hands none on).
    context = pod.spec.security_context
    on_mismatch = is_claimed and context is not None and context.fs_group_change_policy == "OnRootMismatch"
    source = volume_places.sources(pod, place)[volume.name]
    opened = os.open(source.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ownership.give_to_group(opened, source.owner + group, unless_root_fits=on_mismatch)
    finally:
        os.close(opened)


def _link(place: Path, directory: ClaimedDirectory) -> None:
    if directory.type is not None:
        host_path.prepare(Path(directory.path), directory.type)
    persistent.link(place, Path(directory.path))


def check_mounts(
    spec: objects.Container,
    volumes: Mapping[str, Source],
    variables: Mapping[str, str],
    held_root: Callable[[], str],
) -> None:
    """Make the subpaths of a container that is about to start. PodrunError where the kubelet cannot make its mounts.

    `held_root` is the root of the shim's mount namespace. The shim opens them again by descriptor: what changes in
    between leads it nowhere else.
    """
    for mount in spec.volume_mounts:
        source = mount_plan.source_of(spec, mount, volumes)
        path = mount_plan.subpath(mount, variables)
        if path and not source.layers:
            _make_subpath(spec, mount, reached_at(source, held_root), path, source.owner)


def reached_at(source: Source, held_root: Callable[[], str]) -> str:
    """Where the kubelet itself finds a volume. PodrunError: it was in the memory of a shim that is gone."""
    return f"{held_root()}{source.path}" if source.held else source.path


def _make_subpath(spec: objects.Container, mount: objects.VolumeMount, volume: str, path: str, owner: int) -> None:
    """The kubelet tells no more than this: the rest may be about files of the machine."""
    try:
        subpaths.make(volume, path, owner)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        logger.warning("cannot prepare subpath %s of %s: %s", path, volume, error)
        text = f'failed to prepare subPath for volumeMount "{mount.name}" of container "{spec.name}"'
        raise PodrunError(text) from error


def check_propagation(spec: objects.Container, volumes: Mapping[str, Source]) -> None:
    """PodrunError where mounts could not be shared with the machine, in containerd's words.

    The kernel lets none out of a user namespace: there, containerd says nothing.
    """
    for mount in spec.volume_mounts:
        if mount.mount_propagation in ("HostToContainer", "Bidirectional"):
            source = mount_plan.source_of(spec, mount, volumes)
            if mount.mount_propagation == "Bidirectional" and (source.idmapped or source.owner):
                reason = "what a pod with hostUsers: false mounts is never seen by the machine"
                raise PodrunError(f'cannot mount volume "{mount.name}" with propagation Bidirectional: {reason}')
            if source.layers or source.held:
                continue  # the machine mounts nothing there
            propagation.check(source.path, must_share=mount.mount_propagation == "Bidirectional")
