"""Looks up and prepares what one run or one exec needs, files included; planner.py turns it into a plan."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from podrun.api import objects
from podrun.container.plan import ExecPlan, LaunchPlan
from podrun.errors import PodrunError
from podrun.image import snapshots
from podrun.image.images import Image
from podrun.kubelet import (
    app_armor,
    downward,
    environment,
    id_ranges,
    log_links,
    planner,
    pod_files,
    security,
    volume_places,
    volumes,
)
from podrun.kubelet.mount_plan import Source
from podrun.kubelet.places import PodPlace
from podrun.kubelet.planner import Given, Streams
from podrun.kubelet.services import Services
from podrun.volume import env_files

logger = logging.getLogger(__name__)


class ConfigError(PodrunError):
    """What the container's configuration refers to is not there: CreateContainerConfigError."""


class Launcher:
    """For the containers of one pod."""

    def __init__(self, services: Services, place: PodPlace, held_root: Callable[[], str]) -> None:
        self._services = services
        self._place = place
        self._held_root = held_root

    def launch_plan(
        self, pod: objects.Pod, spec: objects.Container, attempt: int, hostname: str, addresses: Sequence[str]
    ) -> LaunchPlan:
        """A plan whose directories and files exist. ConfigError, PodrunError, OSError."""
        place, image = self._place, self.image(spec)
        given = self._given(pod, spec, image, hostname, self._variables(pod, spec, addresses))
        try:
            volumes.check_mounts(spec, given.volumes, given.variables, self._held_root)
        except PodrunError as error:
            raise ConfigError(str(error)) from error
        if violation := security.non_root_violation(pod, spec, image):
            raise ConfigError(violation)
        volumes.check_propagation(spec, given.volumes)
        self._prepare_files(spec.name, attempt, image)
        plan = planner.launch_plan(pod, spec, attempt, secrets.token_hex(32), given)
        pod_files.keep_environment(place.environment(spec.name, attempt), plan.env)
        self._link_log(pod, spec, attempt, plan.id)
        return plan

    def images_at_hand(self, specs: Sequence[objects.Container]) -> dict[str, Image]:
        """By the names of the containers for which none is pulled."""
        found = {}
        for spec in specs:
            with contextlib.suppress(PodrunError):  # it is damaged or no name: told when it is ensured
                if spec.image_pull_policy != "Always" and (image := self._services.images.find(spec.image)):
                    found[spec.name] = image
        return found

    def prepare_first_runs(self, images: Mapping[str, Image]) -> None:
        """What their launch needs of the disk. OSError. Blocks."""
        id_ranges.keep(self._place.pod_dir, self._place.first_id)
        for name, image in images.items():
            self._prepare_files(name, 0, image)

    def _prepare_files(self, name: str, attempt: int, image: Image) -> None:
        place = self._place
        if not place.upper(name, attempt).exists():  # else it is done, perhaps by an earlier kubelet
            layers = self._services.images.layers_directory
            snapshots.prepare(place.pod_dir, name, attempt, image, layers, place.first_id)
        place.log_file(name, attempt).parent.mkdir(parents=True, exist_ok=True)
        pod_files.make_termination_log(place.termination_log(name, attempt), place.first_id)

    def _link_log(self, pod: objects.Pod, spec: objects.Container, attempt: int, id: str) -> None:
        """Links to this run and to the one before are kept, as their logs are."""
        log_dir, place = self._services.paths.log_dir, self._place
        if attempt > 1:  # before, there is none to take away, and to look costs time for each pod on the machine
            log_links.remove(log_dir, place.log_dir, container=spec.name, kept=attempt - 1)
        log_links.link(log_dir, log_links.name(pod, spec.name, id), place.log_file(spec.name, attempt))

    def exec_plan(
        self,
        pod: objects.Pod,
        spec: objects.Container,
        attempt: int,
        id: str,
        argv: tuple[str, ...],
        streams: Streams,
        hostname: str,
        addresses: Sequence[str],
    ) -> ExecPlan:
        """For the run `attempt`, whose container id is `id`, with the variables that it was launched with.
        PodrunError, OSError."""
        variables = pod_files.kept_environment(self._place.environment(spec.name, attempt))
        if variables is None:  # a run that an older podrun launched
            variables = self._variables(pod, spec, addresses)
        given = self._given(pod, spec, self.image(spec), hostname, variables)
        return planner.exec_plan(pod, spec, attempt, id, argv, streams, given)

    def image(self, spec: objects.Container) -> Image:
        """The image on this machine. PodrunError: it is gone."""
        image = self._services.images.find(spec.image)
        if image is None:
            raise PodrunError(f'image "{spec.image}" is gone')
        return image

    def _image_volumes(self, pod: objects.Pod) -> dict[str, Source]:
        """Those whose image is on this machine: before a container starts, all that it mounts are."""
        found, layers = {}, str(self._services.images.layers_directory)
        for volume in pod.spec.volumes:
            if volume.image is not None and (image := self._services.images.find(volume.image.reference)) is not None:
                found[volume.name] = Source(layers, readonly=True, layers=image.layers)
        return found

    def forget(self, container: str, attempt: int) -> None:
        """What was kept of a run that is over."""
        self._place.environment(container, attempt).unlink(missing_ok=True)

    def _given(
        self, pod: objects.Pod, spec: objects.Container, image: Image, hostname: str, variables: Mapping[str, str]
    ) -> Given:
        return Given(
            image=image,
            variables=variables,
            place=self._place,
            hostname=hostname,
            node=self._services.node,
            volumes=volume_places.sources(pod, self._place) | self._image_volumes(pod),
            seccomp=self._services.protection.seccomp_program(pod, spec),
            app_armor=app_armor.profile_name(pod, spec),
        )

    def _variables(self, pod: objects.Pod, spec: objects.Container, addresses: Sequence[str]) -> dict[str, str]:
        """As things are now; `addresses` of the pod's own network. ConfigError."""
        store, host, namespace = self._services.store, self._services.host, pod.metadata.namespace
        newest = store.by_uid(pod.metadata.uid)  # labels and annotations may have changed
        current = replace(pod, metadata=newest.metadata) if newest is not None else pod
        node = store.get(objects.Node, "", host.name)
        facts = downward.Facts(
            node_name=host.name,
            host_ips=tuple(host.addresses),
            pod_ips=tuple(host.addresses if pod.spec.host_network else addresses),
            allocatable=node.status.allocatable if node is not None else {},
        )
        sources = environment.Sources(
            facts=facts,
            config_map=partial(store.get, objects.ConfigMap, namespace),
            secret=partial(store.get, objects.Secret, namespace),
            file_value=partial(self._file_value, pod),
        )
        try:
            return environment.variables_of(current, spec, sources)
        except environment.UnresolvedError as error:
            raise ConfigError(error.message) from error

    def _file_value(self, pod: objects.Pod, key: objects.FileKeySelector) -> str | None:
        where = volume_places.sources(pod, self._place).get(key.volume_name)
        if where is None:
            raise environment.UnresolvedError(f'cannot find the volume "{key.volume_name}" referenced by FileKeyRef')
        try:
            text = env_files.read(volumes.reached_at(where, self._held_root), key.path)
            return None if text is None else env_files.value_of(text, key.key)
        except (OSError, PodrunError) as error:
            logger.warning("cannot use variables in %s of %s: %s", key.path, where.path, error)
            raise environment.UnresolvedError("couldn't parse env file") from error
