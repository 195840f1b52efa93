"""The store on a disk that is full: nothing new, but what is there can still be changed and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from podrun import store
from podrun.api import objects
from podrun.linux import mount


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    mount.mount("none", str(tmp_path), "tmpfs", data="size=3m")
    yield tmp_path
    mount.umount_detach(str(tmp_path))


def pod(name: str, size: int = 0) -> objects.Pod:
    annotations = {"big": "x" * size}
    return objects.Pod(metadata=objects.ObjectMeta(name=name, namespace="default", annotations=annotations))


def ended(current: objects.Pod) -> objects.Pod:
    return msgspec.structs.replace(current, status=objects.PodStatus(phase="Succeeded"))


async def fill(opened: store.Store) -> int:
    """Create pods until none fits; how many did."""
    for number in range(1000):
        creation = asyncio.ensure_future(opened.create(pod(f"pod-{number}", 20_000)))
        await asyncio.wait([creation])
        if creation.exception() is not None:
            with pytest.raises(store.WriteFailedError, match="disk is full"):
                creation.result()
            return number
    raise AssertionError("the disk never was full")


def test_on_a_full_disk_pods_can_still_change_and_be_deleted(disk: Path) -> None:
    opened = store.Store.open(disk / "podrun.db")

    async def scenario() -> None:
        await opened.create(pod("first"))
        number = await fill(opened)
        assert len(opened.list(objects.Pod)[0]) == number + 1
        await opened.update(objects.Pod, "default", "first", ended, durable=False, record=b"life")
        for name in range(number):
            await opened.delete(objects.Pod, "default", f"pod-{name}")
        await opened.create(pod("again", 20_000))

    asyncio.run(scenario())
    opened.close()
    again = store.Store.open(disk / "podrun.db")
    assert [one.metadata.name for one in again.list(objects.Pod)[0]] == ["again", "first"]
    assert list(again.records().values()) == [b"life"]
    again.close()


def test_with_room_again_everything_can_be_written_again(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * (1 << 20))
    opened = store.Store.open(disk / "podrun.db")

    async def scenario() -> None:
        number = await fill(opened)
        ballast.unlink()
        await opened.create(pod(f"pod-{number}", 20_000))

    asyncio.run(scenario())
    opened.close()
