"""A pod's volumes: which file of volume/ makes which kind, and where each one is on the machine."""

from __future__ import annotations

from pathlib import Path

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet.places import PodPlace
from podrun.volume import empty_dir, host_path


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


def sources(pod: objects.Pod, place: PodPlace) -> dict[str, str]:
    """The machine's path of each volume, by name."""
    found = {}
    for volume in pod.spec.volumes:
        if volume.host_path is not None:
            found[volume.name] = volume.host_path.path
        else:
            found[volume.name] = str(place.volume("empty-dir", volume.name))
    return found
