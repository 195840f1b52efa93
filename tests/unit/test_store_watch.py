"""Watching: order, resuming, what is too old, and watchers that do not read."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from podrun import store
from podrun.api import objects
from podrun.store import feed

T = TypeVar("T")


def run(scenario: Coroutine[object, object, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 60))


def pod(name: str, namespace: str = "default") -> objects.Pod:
    return objects.Pod(metadata=objects.ObjectMeta(name=name, namespace=namespace))


def running(current: objects.Pod) -> objects.Pod:
    return msgspec.structs.replace(current, status=objects.PodStatus(phase="Running"))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[store.Store]:
    one = store.Store.open(tmp_path / "podrun.db", history=10)
    yield one
    one.close()


async def take(watch: store.Watch[objects.Pod], count: int) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    for _ in range(count):
        change = await anext(watch)
        assert change.resource_version == int(change.object.metadata.resource_version)
        seen.append((change.type, change.object.metadata.name))
    return seen


def test_a_watch_without_a_version_begins_with_what_is_there(opened: store.Store) -> None:
    async def scenario() -> None:
        await opened.create(pod("a"))
        with opened.watch(objects.Pod) as watch:
            await opened.update(objects.Pod, "default", "a", running, durable=False)
            await opened.delete(objects.Pod, "default", "a")
            assert await take(watch, 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]

    run(scenario())


def test_a_watch_goes_on_where_a_list_ended(opened: store.Store) -> None:
    async def scenario() -> None:
        await opened.create(pod("a"))
        _, version = opened.list(objects.Pod)
        await opened.create(pod("b"))
        with opened.watch(objects.Pod, since=version) as watch:
            await opened.create(pod("c"))
            assert await take(watch, 2) == [("ADDED", "b"), ("ADDED", "c")]

    run(scenario())


def test_a_watch_keeps_to_its_kind_and_namespace(opened: store.Store) -> None:
    async def scenario() -> None:
        with opened.watch(objects.Pod, "mine") as watch:
            await opened.create(pod("a", "other"))
            await opened.create(objects.Namespace(metadata=objects.ObjectMeta(name="mine")))
            await opened.create(pod("b", "mine"))
            assert await take(watch, 1) == [("ADDED", "b")]
            assert watch.take() is None
            assert watch.resource_version == opened.resource_version

    run(scenario())


def test_a_change_knows_what_was_before(opened: store.Store) -> None:
    async def scenario() -> None:
        created = await opened.create(pod("a"))
        with opened.watch(objects.Pod, since=opened.resource_version) as watch:
            await opened.update(objects.Pod, "default", "a", running)
            change = await anext(watch)
            assert change.previous == created

    run(scenario())


def test_history_that_is_no_more_has_expired(opened: store.Store) -> None:
    async def scenario() -> None:
        start = opened.resource_version
        for number in range(10):
            await opened.create(pod(f"pod-{number}"))
        with opened.watch(objects.Pod, since=start) as watch:
            assert len(await take(watch, 10)) == 10
        await opened.create(pod("one-too-many"))
        with pytest.raises(store.ExpiredError):
            opened.watch(objects.Pod, since=start)
        with opened.watch(objects.Pod, since=start + 1) as watch:
            assert len(await take(watch, 10)) == 10

    run(scenario())


def test_a_version_from_before_this_start_has_expired(tmp_path: Path) -> None:
    first = store.Store.open(tmp_path / "podrun.db")
    created = run(first.create(pod("a")))
    first.close()
    second = store.Store.open(tmp_path / "podrun.db")
    try:
        with pytest.raises(store.ExpiredError):
            second.watch(objects.Pod, since=int(created.metadata.resource_version))
        with pytest.raises(store.ExpiredError):
            second.watch(objects.Pod, since=second.resource_version + 1)
    finally:
        second.close()


def test_a_watcher_that_does_not_read_is_dropped_and_blocks_nobody(
    opened: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BUFFER", 3)

    async def scenario() -> None:
        with opened.watch(objects.Pod) as slow, opened.watch(objects.Pod) as quick:
            for number in range(4):
                await opened.create(pod(f"pod-{number}"))
                await anext(quick)
            with pytest.raises(store.ExpiredError):
                await anext(slow)

    run(scenario())


def test_a_closed_watch_ends(opened: store.Store) -> None:
    async def scenario() -> None:
        watch = opened.watch(objects.Pod)
        reader = asyncio.ensure_future(anext(watch, None))
        await asyncio.sleep(0)
        watch.close()
        assert await reader is None

    run(scenario())


def test_watchers_see_changes_in_the_order_of_their_versions(opened: store.Store) -> None:
    async def scenario() -> None:
        with opened.watch(objects.Pod) as watch:
            await asyncio.gather(*(opened.create(pod(f"pod-{n}"), durable=n % 3 == 0) for n in range(60)))
            versions = [(await anext(watch)).resource_version for _ in range(60)]
        assert versions == sorted(set(versions))

    run(scenario())


def test_who_follows_is_told_of_what_comes(opened: store.Store) -> None:
    async def scenario() -> None:
        await opened.create(pod("before"))
        told: list[tuple[str, str] | None] = []

        def tell(change: store.WatchEvent[objects.Pod] | None) -> None:
            told.append(change and (change.type, change.object.metadata.name))

        following = opened.follow(objects.Pod, tell)
        await opened.create(pod("a"))  # the task has not even begun
        await opened.delete(objects.Pod, "default", "a")
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await opened.create(pod("after"))
        assert told == [("ADDED", "a"), ("DELETED", "a")]

    run(scenario())


def test_who_follows_too_slowly_is_told_to_look_at_everything(opened: store.Store) -> None:
    async def scenario() -> None:
        told: list[str] = []
        following = opened.follow(
            objects.Pod,
            lambda change: told.append(change.object.metadata.name if change else "everything"),
            since=opened.resource_version - 1,
        )
        await asyncio.sleep(0)
        assert told == ["everything"]
        await opened.create(pod("a"))
        await asyncio.sleep(0)
        assert told == ["everything", "a"]
        opened.close()
        await following

    run(scenario())
