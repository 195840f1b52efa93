"""What is said where a container gets no image: reasons, messages and events of the kubelet, word for word."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.image.images import Image
from podrun.image.references import Reference
from podrun.kubelet.container_images import ContainerImages
from podrun.kubelet.happenings import Emit, ImageFailed, ImageReady
from podrun.kubelet.measures import Measures
from podrun.kubelet.services import Services
from podrun.registry.fetching import PullError

IMAGE = "registry.test/team/web:1"


@dataclass
class Machine:
    """Images and pulls as a test wants them."""

    damage: str = ""
    failure: PullError = field(default_factory=lambda: PullError("gone"))
    events: list[Emit] = field(default_factory=list)

    def find(self, text: str) -> Image | None:
        if self.damage:
            raise PodrunError(self.damage)
        return None

    def get(self, kind: type[object], namespace: str, name: str) -> None:
        """No service account, so no pull secrets."""

    async def pull(self, reference: Reference, keyrings: object) -> object:
        raise self.failure

    def ensure(self, image: str, policy: str) -> ImageReady | ImageFailed:
        services = cast(Services, SimpleNamespace(images=self, pulls=self, store=self, measures=Measures()))
        container = objects.Container(name="c", image=image, image_pull_policy=policy)
        pod = objects.Pod(spec=objects.PodSpec(containers=(container,)))
        return asyncio.run(ContainerImages(services, self.events.append).ensure(pod, container))

    def told(self) -> list[tuple[str, str, str]]:
        return [(event.type, event.reason, event.message) for event in self.events]


@pytest.mark.parametrize(
    ("unavailable", "reason", "message"),
    [
        (False, "ErrImagePull", "no route"),
        (
            True,
            "RegistryUnavailable",
            f"image pull failed for {IMAGE} because the registry is unavailable: no route",
        ),
    ],
)
def test_a_pull_that_fails(unavailable: bool, reason: str, message: str) -> None:
    machine = Machine(failure=PullError("no route", unavailable=unavailable))
    assert machine.ensure(IMAGE, "IfNotPresent") == ImageFailed("c", reason, message)
    assert machine.told() == [
        ("Normal", "Pulling", f'Pulling image "{IMAGE}"'),
        ("Warning", "Failed", f'Failed to pull image "{IMAGE}": no route'),
    ]


def test_an_image_that_may_not_be_pulled() -> None:
    machine, text = Machine(), f'Container image "{IMAGE}" is not present with pull policy of Never'
    assert machine.ensure(IMAGE, "Never") == ImageFailed("c", "ErrImageNeverPull", text)
    assert machine.told() == [("Warning", "ErrImageNeverPull", text)]


def test_a_name_that_is_none() -> None:
    machine = Machine()
    text = (
        'Failed to apply default image tag "a/UPPER": couldn\'t parse image name "a/UPPER": '
        "invalid reference format: repository name (library/a/UPPER) must be lowercase"
    )
    failed = machine.ensure("a/UPPER", "Always")
    assert isinstance(failed, ImageFailed)
    assert failed.reason == "InvalidImageName"
    assert failed.message.startswith(text[:80])
    assert machine.told() == [("Warning", "InspectFailed", failed.message)]


def test_a_damaged_image_that_may_not_be_pulled_anew() -> None:
    machine, text = Machine(damage="a layer is missing"), f'Failed to inspect image "{IMAGE}": a layer is missing'
    assert machine.ensure(IMAGE, "Never") == ImageFailed("c", "ImageInspectError", text)
    assert machine.told() == [("Warning", "InspectFailed", text)]
    anew = Machine(damage="a layer is missing")
    assert anew.ensure(IMAGE, "IfNotPresent") == ImageFailed("c", "ErrImagePull", "gone")
