"""Which image a container gets, by its pull policy and in the kubelet's words (pkg/kubelet/images/image_manager.go)."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from podrun.api import objects, times
from podrun.errors import PodrunError
from podrun.image import references
from podrun.image.images import Image
from podrun.image.references import Reference
from podrun.kubelet import pull_secrets
from podrun.kubelet.happenings import Emit, ImageFailed, ImageReady
from podrun.kubelet.services import Services
from podrun.registry.fetching import PullError


class ContainerImages:
    """For the containers of one pod. `emit` takes the events."""

    def __init__(self, services: Services, emit: Callable[[Emit], None]) -> None:
        self._images = services.images
        self._pulls = services.pulls
        self._measures = services.measures
        self._store = services.store
        self._emit = emit

    async def ensure_all(self, pod: objects.Pod, spec: objects.Container) -> ImageReady | ImageFailed:
        """Also those that are mounted as volumes, which come first: the first that can't be had is told of."""
        mounted = {mount.name for mount in spec.volume_mounts}
        for volume in pod.spec.volumes:
            if volume.image is not None and volume.name in mounted:
                source = replace(spec, image=volume.image.reference, image_pull_policy=volume.image.pull_policy)
                verdict = await self.ensure(pod, source)
                if isinstance(verdict, ImageFailed):
                    return verdict
        return await self.ensure(pod, spec)

    async def ensure(self, pod: objects.Pod, spec: objects.Container) -> ImageReady | ImageFailed:
        """The image for the run that comes next, pulled where the policy says so. Raises nothing of its own."""
        name, shown = spec.name, spec.image
        try:
            reference = references.parse(shown)
            image = self._images.find(shown)
        except references.InvalidImageName as error:
            return self._inspect_failed(
                name, "InvalidImageName", f'Failed to apply default image tag "{shown}": {error}'
            )
        except PodrunError as error:
            if spec.image_pull_policy == "Never":
                return self._inspect_failed(name, "ImageInspectError", f'Failed to inspect image "{shown}": {error}')
            image = None  # what is damaged is pulled anew
        if spec.image_pull_policy == "Always" or (image is None and spec.image_pull_policy != "Never"):
            return await self._pull(pod, spec, reference, image)
        if image is not None:
            self._emit(Emit("Normal", "Pulled", f'Container image "{shown}" already present on machine', name))
            return self._ready(name, reference, image)
        text = f'Container image "{shown}" is not present with pull policy of Never'
        self._emit(Emit("Warning", "ErrImageNeverPull", text, name))
        return ImageFailed(name, "ErrImageNeverPull", text)

    async def _pull(
        self, pod: objects.Pod, spec: objects.Container, reference: Reference, present: Image | None
    ) -> ImageReady | ImageFailed:
        name, shown = spec.name, spec.image
        found, missing = pull_secrets.keyrings(pod, self._store)
        if missing:
            text = f"Unable to retrieve some image pull secrets ({', '.join(missing)})"
            text += "; attempting to pull the image may not succeed."
            self._emit(Emit("Warning", "FailedToRetrieveImagePullSecret", text))
        self._emit(Emit("Normal", "Pulling", f'Pulling image "{shown}"', name))
        began = time.monotonic()
        try:
            with self._measures.operation("pull_image"):
                pulled = await self._pulls.pull(reference, found)
        except PullError as error:
            if spec.image_pull_policy != "Always" and (came := self._present(shown)) is not None:
                self._emit(Emit("Normal", "Pulled", f'Container image "{shown}" already present on machine', name))
                return self._ready(name, reference, came)
            return self._pull_failed(spec, error, present)
        waited = times.go_duration(time.monotonic() - began)
        text = (
            f'Successfully pulled image "{shown}" in {times.go_duration(pulled.seconds)} ({waited} including waiting).'
        )
        self._emit(Emit("Normal", "Pulled", f"{text} Image size: {pulled.image.size} bytes.", name))
        return self._ready(name, reference, pulled.image)

    def _present(self, name: str) -> Image | None:
        """What has come some other way meanwhile."""
        try:
            return self._images.find(name)
        except PodrunError:
            return None

    def _pull_failed(self, spec: objects.Container, error: PullError, present: Image | None) -> ImageFailed:
        words = error.message
        if present is not None:
            words += f' (image "{spec.image}" is on this machine: imagePullPolicy IfNotPresent or Never would use it)'
        elif error.hint:
            words += f" ({error.hint})"
        self._emit(Emit("Warning", "Failed", f'Failed to pull image "{spec.image}": {words}', spec.name))
        if error.is_unavailable:
            words = f"image pull failed for {spec.image} because the registry is unavailable: {words}"
            return ImageFailed(spec.name, "RegistryUnavailable", words)
        return ImageFailed(spec.name, "ErrImagePull", words)

    def _ready(self, container: str, reference: Reference, image: Image) -> ImageReady:
        """What containerd tells of it: a tag in full, else the id, and the first digest (toCRIContainerStatus)."""
        self._images.mark_used(image)
        tags = [name for name in image.names if "@" not in name]
        shown = str(reference) if str(reference) in tags else next(iter(tags), image.id)
        own = [origin for origin in image.origins if origin.startswith(f"{reference.repository}@")]
        return ImageReady(container, image.id, shown, next(iter((*own, *image.origins)), ""))

    def _inspect_failed(self, container: str, reason: str, text: str) -> ImageFailed:
        self._emit(Emit("Warning", "InspectFailed", text, container))
        return ImageFailed(container, reason, text)
