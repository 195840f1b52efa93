"""The log of a container over HTTP: options, following, rotation, hang-ups."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from podrun.api import objects
from podrun.server.log_changes import LogChanges
from podrun.shim import log_pump
from tests import descriptors
from tests.fakes.api_server import PODS, Api, ended, play, pod, running

LOG = f"{PODS}/web/log"


def entries(*texts: str, second: int = 0) -> bytes:
    return b"".join(f"2027-01-15T07:59:{second:02}.000000000Z stdout F {text}\n".encode() for text in texts)


async def start(api: Api, *texts: str, restarts: int = 0) -> Path:
    """A running pod with this log so far; the directory of its files."""
    await api.ask("POST", PODS, pod())
    await api.set_status("web", running(restarts=restarts))
    directory = api.agent.log_dir(objects.Pod(), "main")
    directory.mkdir(parents=True)
    (directory / f"{restarts}.log").write_bytes(entries(*texts))
    return directory


def test_a_log_is_read_with_each_option(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        directory = await start(api, "one", "two")
        with (directory / "0.log").open("ab") as log:
            log.write(entries("three", second=50))
        for query, expected in (
            ("", b"one\ntwo\nthree\n"),
            ("?container=main&follow=false", b"one\ntwo\nthree\n"),
            ("?tailLines=1", b"three\n"),
            ("?tailLines=0", b""),
            ("?limitBytes=5", b"one\nt"),
            ("?sinceSeconds=30", b"three\n"),
            ("?sinceTime=2027-01-15T07:59:50Z", b"three\n"),
            ("?tailLines=1&timestamps=true", b"2027-01-15T07:59:50.000000000Z three\n"),
        ):
            answer = await api.ask("GET", LOG + query)
            assert (answer.status, answer.body) == (200, expected), query
            assert answer.headers["Content-Type"].startswith("text/plain")

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("?container=x", 400, "container x is not valid for pod web"),
        ("?previous=1", 400, 'previous terminated container "main" in pod "web" not found'),
        ("?tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("?limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than or equal to 1"),
        ("?tailLines=x", 400, 'parsing "x": invalid syntax'),
        ("?sinceTime=yesterday", 400, 'parsing time "yesterday"'),
        ("?sinceTime=2027-01-15T08:00:00Z&sinceSeconds=1", 422, "at most one of `sinceTime` or `sinceSeconds`"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, query: str, code: int, message: str) -> None:
    async def scenario(api: Api) -> None:
        await start(api, "one")
        answer = await api.ask("GET", LOG + query)
        assert answer.status == code
        assert message in answer.json["message"]

    play(tmp_path, scenario)


def test_a_pod_that_has_not_started_has_no_log(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        answer = await api.ask("GET", LOG)
        assert answer.status == 400
        assert answer.json["message"] == 'container "main" in pod "web" is waiting to start: ContainerCreating'
        assert (await api.ask("GET", f"{PODS}/none/log")).json["message"] == 'pods "none" not found'

    play(tmp_path, scenario)


def test_the_previous_run_is_the_last_one_that_wrote(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        directory = await start(api, "now", restarts=3)
        (directory / "0.log").write_bytes(entries("oldest"))
        (directory / "1.log").write_bytes(entries("before"))
        assert (await api.ask("GET", f"{LOG}?previous=true")).body == b"before\n"
        assert (await api.ask("GET", LOG)).body == b"now\n"

    play(tmp_path, scenario)


def test_following_goes_on_over_rotations_and_ends_with_the_run(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        directory = await start(api)
        (directory / "0.log").unlink()
        writer = log_pump.LogFile(str(directory / "0.log"), most_bytes=200)
        async with api.stream(f"{LOG}?follow=true") as stream:
            for number in range(20):
                writer.append(entries(str(number)))
                assert await stream.readline() == b"%d\n" % number
            writer.append(entries("the last word"))
            await api.set_status("web", objects.PodStatus(phase="Running", container_statuses=(ended(),)))
            assert await stream.read() == b"the last word\n"
        writer.close()
        assert len(list(directory.iterdir())) > 1

    play(tmp_path, scenario)


def test_following_ends_with_a_restart_a_deletion_and_a_limit(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await start(api, "one")
        async with api.stream(f"{LOG}?follow=1") as stream:
            assert await stream.readline() == b"one\n"
            await api.set_status("web", running(restarts=1))
            assert await stream.read() == b""
        (api.agent.log_dir(objects.Pod(), "main") / "1.log").write_bytes(entries("two"))
        async with api.stream(f"{LOG}?follow=1&limitBytes=2") as stream:
            assert await stream.read() == b"tw"
        async with api.stream(f"{LOG}?follow=1") as stream:
            assert await stream.readline() == b"two\n"
            await api.store.delete(objects.Pod, "default", "web")
            assert await stream.read() == b""

    play(tmp_path, scenario)


def test_restarts_are_followed_where_asked_until_none_will_come(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        directory = await start(api, "one")
        async with api.stream(f"{LOG}?follow=1&followRestarts=true") as stream:
            assert await stream.readline() == b"one\n"
            await api.set_status("web", objects.PodStatus(phase="Running", container_statuses=(ended(),)))
            (directory / "1.log").write_bytes(entries("two"))
            await api.set_status("web", running(restarts=1))
            assert await stream.readline() == b"two\n"
            await api.set_status("web", objects.PodStatus(phase="Failed", container_statuses=(ended(1),)))
            assert await stream.read() == b""

    play(tmp_path, scenario)


def test_a_reader_with_places_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        directory = await start(api, "one", "two")
        query = f"{LOG}?follow=1&followRestarts=true&framed=true"
        async with api.stream(f"{query}&tailLines=1") as stream:
            assert (await stream.readline()).startswith(b"0 ")
            length, _, place = (await stream.readline()).strip().partition(b" ")
            assert (length, await stream.readline()) == (b"4", b"two\n")
        with (directory / "0.log").open("ab") as log:
            log.write(entries("three"))
        (directory / "1.log").write_bytes(entries("four"))
        (directory / "2.log").write_bytes(entries("five"))
        ends = objects.PodStatus(phase="Failed", container_statuses=(ended(2),))
        await api.set_status("web", ends)
        whole = (await api.ask("GET", f"{query}&tailLines=1&place={place.decode()}")).body
        assert [line for line in whole.splitlines() if b" " not in line] == [b"three", b"four", b"five"]
        assert whole.endswith(b"\n0 end\n")
        other = place.decode().replace(place.decode().partition(",")[0], "another-pod")
        assert (await api.ask("GET", f"{query}&place={other}")).status == 404
        assert (await api.ask("GET", f"{query}&place=nowhere")).status == 400

    play(tmp_path, scenario)


def test_following_a_run_that_has_ended_ends_at_once(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await start(api, "one")
        await api.set_status("web", objects.PodStatus(phase="Running", container_statuses=(ended(),)))
        assert (await api.ask("GET", f"{LOG}?follow=1&tailLines=5")).body == b"one\n"

    play(tmp_path, scenario)


def test_a_reader_that_hangs_up_is_let_go(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await start(api, "one")
        before = descriptors.count()
        reader, writer = await asyncio.open_unix_connection(api.address)
        writer.write(f"GET {LOG}?follow=1 HTTP/1.0\r\n\r\n".encode())
        await reader.readuntil(b"one\n")
        assert descriptors.count() > before + 2
        writer.close()
        while descriptors.count() > before or api.store._feed._watches:
            await asyncio.sleep(0.01)

    play(tmp_path, scenario)


def test_a_log_that_breaks_half_way_ends_the_connection(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        directory = await start(api)
        (directory / "0.log.20270115-080000").write_bytes(entries("one"))
        (directory / "0.log").unlink()
        (directory / "0.log").mkdir()  # opens, and can't be read
        answer = await api.raw(f"GET {LOG} HTTP/1.0\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.0 200")
        assert answer.endswith(b"\r\n\r\none\n")

    play(tmp_path, scenario)


def test_a_large_log_is_streamed_as_fast_as_it_is_read(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        directory = await start(api)
        line = "x" * 1000
        (directory / "0.log").write_bytes(entries(line) * 20_000)
        total = 0
        async with api.stream(LOG) as stream:
            while piece := await stream.readany():
                total += len(piece)
        assert total == 20_000 * 1001

    play(tmp_path, scenario)


def test_many_followers_share_one_inotify_instance(tmp_path: Path) -> None:
    async def scenario() -> None:
        changes, before = LogChanges(), descriptors.count()
        directories = [tmp_path / name for name in ("a", "b", "absent")]
        for directory in directories[:2]:
            directory.mkdir()
        woken = {name: asyncio.Event() for name in ("a", "a again", "b", "absent")}
        with contextlib.ExitStack() as all_, contextlib.ExitStack() as first:
            first.enter_context(changes.told(directories[0], woken["a"]))
            for directory, name in zip(directories, ("a again", "b", "absent"), strict=True):
                all_.enter_context(changes.told(directory, woken[name]))
            assert descriptors.count() == before + 1
            first.close()
            (directories[0] / "0.log").touch()
            await asyncio.wait_for(woken["a again"].wait(), 10)
            assert [event.is_set() for event in woken.values()] == [False, True, False, False]
        assert descriptors.count() == before

    asyncio.run(scenario())
