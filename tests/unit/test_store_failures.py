"""Many writers at once over a file whose transactions break now and then: everyone is told the truth."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from podrun import store
from podrun.api import objects


class Mirror:
    """What a watcher makes of the changes that it is told, each checked against the one before."""

    def __init__(self) -> None:
        self.pods: dict[str, objects.Pod] = {}
        self.version = 0

    def follow(self, change: store.WatchEvent[objects.Pod]) -> None:
        name = change.object.metadata.name
        assert change.resource_version > self.version
        assert change.previous == self.pods.get(name)
        self.version = change.resource_version
        if change.type == "DELETED":
            del self.pods[name]
        else:
            assert change.type == ("MODIFIED" if name in self.pods else "ADDED")
            self.pods[name] = change.object


async def write_at_random(one: store.Store, choice: random.Random, count: int) -> int:
    """How many writes failed on the way to the disk."""
    failed = 0
    for number in range(count):
        name, durable = f"pod-{choice.randrange(5)}", choice.random() < 0.3
        metadata = objects.ObjectMeta(name=name, namespace="default")
        status = objects.PodStatus(phase=f"{choice.random()}-{number}")
        try:
            match choice.randrange(4):
                case 0:
                    await one.create(objects.Pod(metadata=metadata), durable=durable)
                case 1:
                    await one.delete(objects.Pod, "default", name)
                case _:
                    changed = await one.update(
                        objects.Pod,
                        "default",
                        name,
                        lambda pod, status=status: msgspec.structs.replace(pod, status=status),  # type: ignore[misc]
                        durable=durable,
                    )
                    assert changed.status == status
        except store.WriteFailedError:
            failed += 1
        except (store.NotFoundError, store.AlreadyExistsError):
            await asyncio.sleep(0)
    return failed


@pytest.mark.parametrize("seed", range(3))
def test_readers_watchers_and_the_file_agree_whatever_fails(tmp_path: Path, seed: int) -> None:
    choice = random.Random(seed)
    path = tmp_path / "podrun.db"
    opened = store.Store.open(path)
    # SQLite breaks off the statement that runs when the handler answers true, and the transaction is rolled back. Not
    # COMMIT: it asks the handler once more when all is done, and would then call a failure what has happened.
    running: list[str] = [""]
    connection = opened._database._connection
    connection.set_trace_callback(lambda statement: running.__setitem__(0, statement))
    connection.set_progress_handler(lambda: running[0] != "COMMIT" and choice.random() < 0.02, 5)
    mirror = Mirror()

    async def scenario() -> int:
        with opened.watch(objects.Pod) as changes:
            failed = await asyncio.gather(*(write_at_random(opened, choice, 60) for _ in range(8)))
            while (change := changes.take()) is not None:
                mirror.follow(change)
        return sum(failed)

    assert asyncio.run(scenario()) > 0
    visible = {pod.metadata.name: pod for pod in opened.list(objects.Pod)[0]}
    opened.close()
    assert mirror.pods == visible
    again = store.Store.open(path)
    assert {pod.metadata.name: pod for pod in again.list(objects.Pod)[0]} == visible
    again.close()
