"""Which image a container gets, by its pull policy and in the kubelet's words (pkg/kubelet/images)."""

from __future__ import annotations

from collections.abc import Callable

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.image import references
from podrun.image.images import Image
from podrun.image.store import Images
from podrun.kubelet.happenings import Emit, ImageFailed, ImageReady


class ContainerImages:
    """For the containers of one pod. `emit` takes the events."""

    def __init__(self, images: Images, emit: Callable[[Emit], None]) -> None:
        self._images = images
        self._emit = emit

    async def ensure(self, spec: objects.Container) -> ImageReady | ImageFailed:
        """The image for the run that comes next. Never raises."""
        try:
            image = self._images.find(spec.image)
        except references.InvalidImageName as error:
            message = f'Failed to apply default image tag "{spec.image}": {error}'
            return ImageFailed(spec.name, "InvalidImageName", message)
        except PodrunError as error:
            return ImageFailed(spec.name, "ImageInspectError", str(error))
        return self._verdict(spec, image)

    def _verdict(self, spec: objects.Container, image: Image | None) -> ImageReady | ImageFailed:
        if image is not None:
            text = f'Container image "{spec.image}" already present on machine'
            self._emit(Emit("Normal", "Pulled", text, spec.name))
            return ImageReady(spec.name, image.id)
        if spec.image_pull_policy == "Never":
            text = f'Container image "{spec.image}" is not present with pull policy of Never'
            self._emit(Emit("Warning", "ErrImageNeverPull", text, spec.name))
            return ImageFailed(spec.name, "ErrImageNeverPull", text)
        text = f'Failed to pull image "{spec.image}": not present on machine, and podrun does not pull images yet'
        self._emit(Emit("Warning", "Failed", text, spec.name))
        return ImageFailed(spec.name, "ErrImagePull", text)
