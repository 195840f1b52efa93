"""Events: counted where the same is said again of the same, with the fields that kubectl shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet.recorder import Recorder
from podrun.store.store import Store
from tests.fakes.pod_story import a_pod


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    one = Store.open(tmp_path / "podrun.db", clock=lambda: 1_800_000_000.0)
    yield one
    one.close()


def said(store: Store, *texts: str, container: str = "a", pods: int = 1) -> list[objects.Event]:
    """The events that are there after the texts were said, in their order, of each of so many pods."""

    async def scenario() -> None:
        recorder = Recorder(store, "node-1")
        for number in range(pods):
            pod = a_pod("a", init=("i",))
            pod = replace(pod, metadata=replace(pod.metadata, uid=f"u-{number}"))
            for text in texts:
                recorder.record(pod, "Warning", "Unhealthy", text, container)
        await recorder.drain()

    asyncio.run(scenario())
    return list(store.list(objects.Event)[0])


def test_the_same_again_is_counted_and_anything_else_is_another_event(opened: Store) -> None:
    found = said(opened, "one", "one", "two", "one")
    assert sorted((event.message, event.count) for event in found) == [("one", 3), ("two", 1)]


def test_what_is_said_of_another_pod_of_the_same_name_is_another_event(opened: Store) -> None:
    assert [event.count for event in said(opened, "one", "one", pods=2)] == [2, 2]


def test_a_new_kubelet_counts_anew(opened: Store) -> None:
    said(opened, "one")
    assert [event.count for event in said(opened, "one")] == [1, 1]


def test_an_event_that_was_pruned_is_made_again_with_its_count(opened: Store) -> None:
    async def scenario() -> None:
        recorder = Recorder(opened, "node-1")
        recorder.record(a_pod("a"), "Normal", "Pulled", "there")
        await recorder.drain()
        (event,) = opened.list(objects.Event)[0]
        await opened.delete(objects.Event, "default", event.metadata.name)
        recorder.record(a_pod("a"), "Normal", "Pulled", "there")
        await recorder.drain()

    asyncio.run(scenario())
    assert [event.count for event in opened.list(objects.Event)[0]] == [2]


def test_many_messages_of_one_reason_become_one_event(opened: Store) -> None:
    found = said(opened, *(f"failure {number}" for number in range(14)))
    shown = {event.message: event.count for event in found}
    assert shown == {f"failure {number}": 1 for number in range(9)} | {"(combined from similar events): failure 13": 5}


def test_of_one_object_only_so_many_events_are_written(opened: Store) -> None:
    (event,) = said(opened, *["again"] * 40)
    assert event.count == 25


@pytest.mark.parametrize(
    ("container", "path"), [("a", "spec.containers{a}"), ("i", "spec.initContainers{i}"), ("", "")]
)
def test_an_event_says_what_it_is_about_and_who_says_so(opened: Store, container: str, path: str) -> None:
    (event,) = said(opened, "one", container=container)
    about = event.involved_object
    assert (about.kind, about.namespace, about.name, about.uid, about.field_path) == (
        "Pod",
        "default",
        "web",
        "u-0",
        path,
    )
    assert (event.type, event.reason, event.source.component, event.source.host) == (
        "Warning",
        "Unhealthy",
        "kubelet",
        "node-1",
    )
    assert event.first_timestamp == event.last_timestamp
