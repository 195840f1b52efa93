"""Creating, changing and removing objects, and what is left after the file is opened again."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from podrun import store
from podrun.api import objects
from podrun.store import database

T = TypeVar("T")


def run(scenario: Coroutine[object, object, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 60))


def pod(name: str, namespace: str = "default", **labels: str) -> objects.Pod:
    container = objects.Container(name="web", image="busybox")
    return objects.Pod(
        metadata=objects.ObjectMeta(name=name, namespace=namespace, labels=labels),
        spec=objects.PodSpec(containers=(container,)),
    )


def with_phase(phase: str) -> Callable[[objects.Pod], objects.Pod]:
    return lambda current: msgspec.structs.replace(current, status=objects.PodStatus(phase=phase))


def with_labels(**labels: str) -> Callable[[objects.Pod], objects.Pod]:
    return lambda current: msgspec.structs.replace(
        current, metadata=msgspec.structs.replace(current.metadata, labels=labels)
    )


def with_deadline(current: objects.Pod) -> objects.Pod:
    return msgspec.structs.replace(current, spec=msgspec.structs.replace(current.spec, active_deadline_seconds=9))


def with_deletion(current: objects.Pod) -> objects.Pod:
    metadata = msgspec.structs.replace(current.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    return msgspec.structs.replace(current, metadata=metadata)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "podrun.db"


@pytest.fixture
def opened(path: Path) -> Iterator[store.Store]:
    one = store.Store.open(path, clock=lambda: 1_800_000_000.0)
    yield one
    one.close()


def test_a_new_object_gets_uid_time_version_and_generation(opened: store.Store) -> None:
    created = run(opened.create(pod("web")))
    assert len(created.metadata.uid) == 36
    assert created.metadata.creation_timestamp == "2027-01-15T08:00:00Z"
    assert created.metadata.generation == 1
    assert int(created.metadata.resource_version) == opened.resource_version
    assert opened.get(objects.Pod, "default", "web") is created
    assert opened.by_uid(created.metadata.uid) is created


def test_a_name_is_taken_once_per_namespace_and_kind(opened: store.Store) -> None:
    async def scenario() -> None:
        await opened.create(pod("web"))
        await opened.create(pod("web", "other"))
        with pytest.raises(store.AlreadyExistsError) as refused:
            await opened.create(pod("web"))
        assert not refused.value.being_deleted
        await opened.update(objects.Pod, "default", "web", with_deletion)
        with pytest.raises(store.AlreadyExistsError) as refused:
            await opened.create(pod("web"))
        assert refused.value.being_deleted

    run(scenario())


def test_of_two_creations_at_once_one_wins(opened: store.Store) -> None:
    async def scenario() -> list[objects.Pod | BaseException]:
        return await asyncio.gather(*(opened.create(pod("web")) for _ in range(2)), return_exceptions=True)

    first, second = run(scenario())
    assert isinstance(first, objects.Pod)
    assert isinstance(second, store.AlreadyExistsError)


def test_nothing_is_visible_before_it_is_committed(opened: store.Store) -> None:
    async def scenario() -> None:
        creation = asyncio.ensure_future(opened.create(pod("web")))
        await asyncio.sleep(0)
        assert opened.get(objects.Pod, "default", "web") is None
        await creation
        assert opened.get(objects.Pod, "default", "web") is not None

    run(scenario())


def test_changes_at_once_build_upon_each_other(opened: store.Store) -> None:
    def add_one(current: objects.Pod) -> objects.Pod:
        count = int(current.metadata.labels.get("count", "0")) + 1
        return with_labels(count=str(count))(current)

    async def scenario() -> None:
        creation = asyncio.ensure_future(opened.create(pod("web")))
        await asyncio.sleep(0)
        await asyncio.gather(*(opened.update(objects.Pod, "default", "web", add_one) for _ in range(50)))
        await creation

    run(scenario())
    changed = opened.get(objects.Pod, "default", "web")
    assert changed is not None
    assert changed.metadata.labels == {"count": "50"}


def test_a_change_that_alters_nothing_writes_nothing(opened: store.Store) -> None:
    async def scenario() -> None:
        created = await opened.create(pod("web", app="x"))
        again = await opened.update(objects.Pod, "default", "web", with_labels(app="x"))
        assert again is created

    run(scenario())


def test_the_generation_rises_with_the_spec_and_with_deletion_only(opened: store.Store) -> None:
    async def scenario() -> list[int]:
        await opened.create(pod("web"))
        changes = (with_phase("Running"), with_labels(a="b"), with_deadline, with_deletion)
        return [(await opened.update(objects.Pod, "default", "web", change)).metadata.generation for change in changes]

    assert run(scenario()) == [1, 1, 2, 3]


def test_preconditions_that_do_not_hold_are_conflicts(opened: store.Store) -> None:
    async def scenario() -> None:
        created = await opened.create(pod("web"))
        version = created.metadata.resource_version
        await opened.update(objects.Pod, "default", "web", with_labels(a="b"), resource_version=version)
        with pytest.raises(store.ConflictError, match="the object has been modified"):
            await opened.update(objects.Pod, "default", "web", with_labels(a="c"), resource_version=version)
        with pytest.raises(store.ConflictError, match="UID in precondition: other"):
            await opened.delete(objects.Pod, "default", "web", uid="other")

    run(scenario())


def test_what_is_not_there_is_not_found(opened: store.Store) -> None:
    with pytest.raises(store.NotFoundError):
        run(opened.update(objects.Pod, "default", "web", with_labels()))
    with pytest.raises(store.NotFoundError):
        run(opened.delete(objects.Pod, "default", "web"))


def test_a_removed_object_is_gone_and_its_removal_has_a_version(opened: store.Store) -> None:
    async def scenario() -> None:
        created = await opened.create(pod("web"))
        last = await opened.delete(objects.Pod, "default", "web", uid=created.metadata.uid)
        assert int(last.metadata.resource_version) == opened.resource_version
        assert opened.get(objects.Pod, "default", "web") is None
        assert opened.by_uid(created.metadata.uid) is None

    run(scenario())


def test_lists_are_sorted_and_kept_to_their_namespace(opened: store.Store) -> None:
    async def scenario() -> None:
        for namespace, name in (("b", "x"), ("a", "z"), ("a", "y")):
            await opened.create(pod(name, namespace))

    run(scenario())
    everywhere, version = opened.list(objects.Pod)
    assert [(one.metadata.namespace, one.metadata.name) for one in everywhere] == [("a", "y"), ("a", "z"), ("b", "x")]
    assert version == opened.resource_version
    assert [one.metadata.name for one in opened.list(objects.Pod, "a")[0]] == ["y", "z"]


def test_everything_is_there_when_opened_again(path: Path) -> None:
    async def fill(one: store.Store) -> objects.Pod:
        created = await one.create(pod("web", app="x"))
        await one.create(pod("gone"))
        await one.delete(objects.Pod, "default", "gone")
        await one.put_record("u2", b"two")
        await one.put_record("u3", b"three")
        await one.drop_record("u3")
        return await one.update(
            objects.Pod, "default", "web", with_phase("Running"), durable=False, record=created.metadata.uid.encode()
        )

    first = store.Store.open(path)
    last = run(fill(first))
    version = first.resource_version
    first.close()
    second = store.Store.open(path)
    try:
        assert second.list(objects.Pod)[0] == [last]
        assert dict(second.records()) == {last.metadata.uid: last.metadata.uid.encode(), "u2": b"two"}
        assert second.resource_version > version
    finally:
        second.close()


def test_a_record_can_go_with_its_object(opened: store.Store) -> None:
    async def scenario() -> None:
        created = await opened.create(pod("web"))
        await opened.put_record(created.metadata.uid, b"facts")
        await opened.delete(objects.Pod, "default", "web", drop_record=True)

    run(scenario())
    assert dict(opened.records()) == {}


def test_the_file_is_private(opened: store.Store, path: Path) -> None:
    run(opened.create(pod("web")))
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        "podrun.db": 0o600,
        "podrun.db-wal": 0o600,
        "podrun.db-shm": 0o600,
        "podrun.db.reserve": 0o600,
    }


def test_a_file_of_a_newer_podrun_is_refused(path: Path) -> None:
    store.Store.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(store.StoreError, match="schema version") as refused:
        store.Store.open(path)
    assert refused.value.hint is not None


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(store.StoreError, match="cannot open"):
        store.Store.open(path)


WRITE_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from podrun import store
from podrun.api import objects

async def main():
    one = store.Store.open(Path(sys.argv[1]))
    for number in range(100000):
        name = f"pod-{number}"
        await one.create(objects.Pod(metadata=objects.ObjectMeta(name=name, namespace="default")))
        print(name, flush=True)

asyncio.run(main())
"""


def test_what_was_reported_is_there_after_a_kill(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        reported = [writer.stdout.readline().strip() for _ in range(20)]
        os.kill(writer.pid, signal.SIGKILL)
        reported += writer.stdout.read().split()
    again = store.Store.open(path)
    try:
        names = {one.metadata.name for one in again.list(objects.Pod)[0]}
        assert names >= set(reported)
        assert len(names) <= len(reported) + 1
    finally:
        again.close()


def test_a_cut_off_log_loses_the_end_only(path: Path) -> None:
    async def fill(one: store.Store) -> None:
        for number in range(20):
            await one.create(pod(f"pod-{number:02}"))

    first = store.Store.open(path)
    run(fill(first))
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    log = path.with_name("podrun.db-wal").read_bytes()
    copy.with_name("copy.db-wal").write_bytes(log[: len(log) - 5000])
    first.close()
    second = store.Store.open(copy)
    try:
        names = [one.metadata.name for one in second.list(objects.Pod)[0]]
        assert names == [f"pod-{number:02}" for number in range(len(names))]
        assert 0 < len(names) < 20
    finally:
        second.close()


def test_a_full_disk_is_a_clear_error_and_passes(opened: store.Store, path: Path) -> None:
    """The limit on file size stands for the disk: Python leaves SIGXFSZ ignored, so the write fails with EFBIG."""
    annotations = {"big": "x" * 100_000}
    big = msgspec.structs.replace(pod("big"), metadata=objects.ObjectMeta(name="big", annotations=annotations))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def scenario() -> None:
        await opened.create(pod("web"))
        version = opened.resource_version
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("podrun.db-wal").stat().st_size, before[1]))
        try:
            results = await asyncio.gather(
                opened.create(big),
                opened.update(objects.Pod, "", "big", with_labels(a="b")),
                return_exceptions=True,
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [type(result) for result in results] == [store.WriteFailedError] * 2
        assert opened.get(objects.Pod, "", "big") is None
        assert opened.get(objects.Pod, "default", "web") is not None
        assert opened.resource_version == version
        with pytest.raises(store.NotFoundError):
            await opened.delete(objects.Pod, "", "big")
        await opened.create(big)
        assert opened.get(objects.Pod, "", "big") is not None

    run(scenario())


def test_a_write_whose_caller_gave_up_still_happens_and_is_seen(opened: store.Store) -> None:
    async def scenario() -> None:
        creation = asyncio.ensure_future(opened.create(pod("web")))
        await asyncio.sleep(0)
        creation.cancel()
        await opened.create(pod("next"))
        assert opened.get(objects.Pod, "default", "web") is not None

    run(scenario())


def event(name: str, last: str) -> objects.Event:
    return objects.Event(metadata=objects.ObjectMeta(name=name, namespace="default"), last_timestamp=last)


def test_old_events_are_pruned_and_surplus_ones_too(opened: store.Store) -> None:
    now = 1_800_000_000.0

    async def scenario() -> None:
        await opened.create(event("old", "2027-01-15T06:59:59Z"), durable=False)
        for number in range(5):
            await opened.create(event(f"new-{number}", "2027-01-15T07:59:59Z"), durable=False)
        assert await opened.prune_events(now) == 1
        assert await opened.prune_events(now, cap=3) == 2

    run(scenario())
    assert [one.metadata.name for one in opened.list(objects.Event)[0]] == ["new-2", "new-3", "new-4"]
