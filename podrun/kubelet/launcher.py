"""Looks up and prepares what one run or one exec needs, files included; planner.py turns it into a plan."""

from __future__ import annotations

import secrets

from podrun.api import objects
from podrun.container.plan import ExecPlan, LaunchPlan
from podrun.errors import PodrunError
from podrun.image import snapshots
from podrun.image.images import Image
from podrun.kubelet import environment, planner, pod_files, volumes
from podrun.kubelet.places import PodPlace
from podrun.kubelet.planner import Given, Streams
from podrun.kubelet.services import Services


class ConfigError(PodrunError):
    """What the container's configuration refers to is not there: CreateContainerConfigError."""


class Launcher:
    """For the containers of one pod."""

    def __init__(self, services: Services, place: PodPlace) -> None:
        self._services = services
        self._place = place

    def launch_plan(self, pod: objects.Pod, spec: objects.Container, attempt: int, hostname: str) -> LaunchPlan:
        """A plan whose directories and files exist. ConfigError, PodrunError, OSError."""
        place, image = self._place, self.image(spec)
        given = self._given(pod, spec, image, hostname)
        try:
            volumes.check_mounts(spec, given.volumes, given.variables)
        except PodrunError as error:
            raise ConfigError(str(error)) from error
        volumes.check_propagation(spec, given.volumes)
        if not place.upper(spec.name, attempt).exists():  # else an earlier kubelet asked for this run already
            snapshots.prepare(place.pod_dir, spec.name, attempt, image, self._services.images.layers_directory)
        place.log_file(spec.name, attempt).parent.mkdir(parents=True, exist_ok=True)
        pod_files.make_termination_log(place.termination_log(spec.name, attempt))
        return planner.launch_plan(pod, spec, attempt, secrets.token_hex(32), given)

    def exec_plan(
        self,
        pod: objects.Pod,
        spec: objects.Container,
        attempt: int,
        id: str,
        argv: tuple[str, ...],
        streams: Streams,
        hostname: str,
    ) -> ExecPlan:
        """For the run `attempt`, whose container id is `id`. PodrunError."""
        given = self._given(pod, spec, self.image(spec), hostname)
        return planner.exec_plan(pod, spec, attempt, id, argv, streams, given)

    def image(self, spec: objects.Container) -> Image:
        """The image on this machine. PodrunError: it is gone."""
        image = self._services.images.find(spec.image)
        if image is None:
            raise PodrunError(f'image "{spec.image}" is gone')
        return image

    def _given(self, pod: objects.Pod, spec: objects.Container, image: Image, hostname: str) -> Given:
        return Given(
            image=image,
            variables=environment.variables_of(spec.env),
            place=self._place,
            hostname=hostname,
            node=self._services.node,
            volumes=volumes.sources(pod, self._place),
        )
