"""What waits for its place, and goes or changes while others are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from podrun import store
from podrun.api import objects
from podrun.kubelet.scheduling_queue import SchedulingQueue
from podrun.kubelet.services import Services
from tests import wait


def pod(name: str, **spec: Any) -> objects.Pod:
    spec |= {"containers": (objects.Container(name="main", image="busybox"),), "scheduler_name": "default-scheduler"}
    return objects.Pod(metadata=objects.ObjectMeta(name=name, namespace="default"), spec=objects.PodSpec(**spec))


def test_a_pod_that_goes_while_another_is_told_why_it_waits_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> list[str]:
        opened = store.Store.open(tmp_path / "podrun.db")
        amount = {"cpu": "4", "memory": "4Gi", "pods": "110"}
        status = objects.NodeStatus(capacity=amount, allocatable=amount)
        await opened.create(objects.Node(metadata=objects.ObjectMeta(name="node"), status=status))
        names = ("picky", "gone", "stays")
        picky, gone, stays = [
            await opened.create(pod(name, node_selector={"no": "where"} if name == "picky" else {})) for name in names
        ]

        told: list[str] = []
        update = opened.update

        async def delete_and_update(kind: type[objects.Pod], *words: Any, **options: Any) -> objects.Pod:
            await opened.delete(objects.Pod, "default", "gone")
            told.append(words[1])
            return await update(kind, *words, **options)

        monkeypatch.setattr(opened, "update", delete_and_update)
        recorder, host = SimpleNamespace(record=lambda *_, **__: None), SimpleNamespace(name="node")
        services = cast("Services", SimpleNamespace(store=opened, recorder=recorder, host=host))
        started: list[str] = []
        queue = SchedulingQueue(services, lambda one: started.append(one.metadata.name))
        for one in (picky, gone, stays):
            queue.put(one)
        running = asyncio.create_task(queue.run())
        async with asyncio.timeout(wait.patient(20)):
            while "stays" not in started:
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert told == ["picky"]
        opened.close()
        return started

    assert asyncio.run(scenario()) == ["stays"]
