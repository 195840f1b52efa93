"""Hooks of running containers: whatever becomes of one, the pod's life is told."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import hooks
from podrun.kubelet.attendant import Attendant
from podrun.kubelet.execution import Finished
from podrun.kubelet.happenings import Happening, PostStartReturned
from podrun.kubelet.lives import PodLife
from tests.fakes.pod_story import a_pod


def test_a_hook_that_breaks_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a mistake of our own")

    monkeypatch.setattr(hooks, "carry_out", broken)
    told: list[Happening] = []

    async def scenario() -> None:
        handler = objects.LifecycleHandler(sleep=objects.SleepAction(seconds=1))
        spec = replace(a_pod("a").spec.containers[0], lifecycle=objects.Lifecycle(post_start=handler))
        attendant = Attendant(
            told.append,
            lambda event: None,
            lambda *_: asyncio.sleep(0, Finished(0, b"")),
            host_address="",
            kubelet_started_at=0.0,
        )
        attendant.post_start(a_pod("a"), PodLife(), spec, 3)
        while not told:
            await asyncio.sleep(0)
        await attendant.close()

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert told == [PostStartReturned("a", 3, "RuntimeError: a mistake of our own")]
