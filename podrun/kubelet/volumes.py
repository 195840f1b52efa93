"""A pod's volumes: which file of volume/ makes which kind, and where each one is on the machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import mount_plan
from podrun.kubelet.mount_plan import Source
from podrun.kubelet.places import PodPlace
from podrun.volume import empty_dir, host_path, propagation, subpaths

logger = logging.getLogger(__name__)


def prepare(pod: objects.Pod, place: PodPlace) -> None:
    """Make all of them; done again it changes nothing. PodrunError in the words of the event FailedMount. Blocks."""
    for volume in pod.spec.volumes:
        try:
            _prepare(volume, place)
        except (OSError, PodrunError) as error:
            raise PodrunError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error


def _prepare(volume: objects.Volume, place: PodPlace) -> None:
    if volume.empty_dir is not None:
        empty_dir.prepare(place.volume("empty-dir", volume.name))
    elif volume.host_path is not None:
        host_path.prepare(Path(volume.host_path.path), volume.host_path.type or "")
    else:
        raise PodrunError("podrun does not carry out this kind of volume yet")


def sources(pod: objects.Pod, place: PodPlace) -> dict[str, Source]:
    """Where each volume is, by name."""
    return {volume.name: _source(volume, place) for volume in pod.spec.volumes}


def _source(volume: objects.Volume, place: PodPlace) -> Source:
    if volume.host_path is not None:
        return Source(volume.host_path.path)
    return Source(str(place.volume("empty-dir", volume.name)))


def check_mounts(spec: objects.Container, volumes: Mapping[str, Source], variables: Mapping[str, str]) -> None:
    """Make the subpaths of a container that is about to start. PodrunError where the kubelet cannot make its mounts.

    The shim opens them again by descriptor: what changes in between leads it nowhere else.
    """
    for mount in spec.volume_mounts:
        source = mount_plan.source_of(spec, mount, volumes)
        path = mount_plan.subpath(mount, variables)
        if path:
            _make_subpath(spec, mount, source, path)


def _make_subpath(spec: objects.Container, mount: objects.VolumeMount, source: Source, path: str) -> None:
    """The kubelet tells no more than this: the rest may be about files of the machine."""
    try:
        subpaths.make(source.path, path)
    except OSError as error:
        logger.warning("cannot prepare subpath %s of %s: %s", path, source.path, error)
        text = f'failed to prepare subPath for volumeMount "{mount.name}" of container "{spec.name}"'
        raise PodrunError(text) from error


def check_propagation(spec: objects.Container, volumes: Mapping[str, Source]) -> None:
    """PodrunError where mounts could not be shared with the machine, in containerd's words."""
    for mount in spec.volume_mounts:
        if mount.mount_propagation in ("HostToContainer", "Bidirectional"):
            source = mount_plan.source_of(spec, mount, volumes)
            propagation.check(source.path, must_share=mount.mount_propagation == "Bidirectional")
