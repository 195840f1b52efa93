"""Watching over HTTP: lines, selectors, tables, bookmarks, ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from podrun.api import objects
from podrun.server import listen, watching
from podrun.store import feed
from tests.fakes.api_server import PODS, Api, play, pod, running

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def line(stream: aiohttp.StreamReader) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await stream.readline())
    return found


async def name(stream: aiohttp.StreamReader) -> tuple[str, str]:
    found = await line(stream)
    return found["type"], found["object"]["metadata"]["name"]


async def label(api: Api, **labels: str | None) -> None:
    changes = {"metadata": {"labels": labels}}
    await api.ask("PATCH", f"{PODS}/web", changes, Content_Type="application/merge-patch+json")


def test_a_watch_shows_what_is_there_and_then_each_change(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        async with api.stream(f"{PODS}?watch=1") as stream:
            assert await name(stream) == ("ADDED", "web")
            await api.set_status("web", running())
            modified = await line(stream)
            assert (modified["type"], modified["object"]["status"]["phase"]) == ("MODIFIED", "Running")
            await api.ask("DELETE", f"{PODS}/web?gracePeriodSeconds=0")
            assert await name(stream) == ("DELETED", "web")

    play(tmp_path, scenario)


def test_a_watch_goes_on_from_a_list(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod("before"))
        version = (await api.ask("GET", PODS)).json["metadata"]["resourceVersion"]
        await api.ask("POST", PODS, pod("after"))
        async with api.stream(f"{PODS}?watch=true&resourceVersion={version}") as stream:
            assert await name(stream) == ("ADDED", "after")

    play(tmp_path, scenario)


def test_a_pod_that_leaves_the_selection_is_deleted_for_its_watcher(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        async with api.stream(f"{PODS}?watch=1&labelSelector=app%3Dx") as stream:
            await label(api, app="x")
            assert await name(stream) == ("ADDED", "web")
            await label(api, other="y")
            assert await name(stream) == ("MODIFIED", "web")
            await label(api, app=None)
            assert await name(stream) == ("DELETED", "web")
            await label(api, app="x")
            assert await name(stream) == ("ADDED", "web")

    play(tmp_path, scenario)


def test_rows_of_a_table_are_streamed(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        async with api.stream(f"{PODS}?watch=1", Accept=TABLE) as stream:
            row = await line(stream)
            assert row["type"] == "ADDED"
            assert row["object"]["kind"] == "Table"
            assert row["object"]["rows"][0]["cells"][0] == "web"

    play(tmp_path, scenario)


def test_a_watch_ends_after_its_time(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        async with api.stream(f"{PODS}?watch=1&timeoutSeconds=1") as stream:
            assert await stream.read() == b""

    play(tmp_path, scenario)


def test_bookmarks_tell_how_far_a_quiet_watch_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.05)

    async def scenario(api: Api) -> None:
        async with api.stream(f"{PODS}?watch=1&allowWatchBookmarks=true") as stream:
            await api.store.create(objects.Namespace(metadata=objects.ObjectMeta(name="elsewhere")))
            version = str(api.store.resource_version)
            while True:
                bookmark = await line(stream)
                assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "Pod")
                if bookmark["object"]["metadata"]["resourceVersion"] == version:
                    return

    play(tmp_path, scenario)


def test_a_client_that_does_not_read_is_told_that_it_has_missed_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BUFFER", 8)

    async def scenario(api: Api) -> None:
        await api.store.create(big_pod("start"))
        async with api.stream(f"{PODS}?watch=1") as stream:
            for number in range(200):
                await api.store.create(big_pod(f"pod-{number}"), durable=False)
            last = b""
            while found := await read_line(stream):
                last = found
            error = json.loads(last)
            assert (error["type"], error["object"]["reason"]) == ("ERROR", "Expired")

    play(tmp_path, scenario)


def big_pod(name: str) -> objects.Pod:
    annotations = {"big": "x" * 100_000}
    return objects.Pod(metadata=objects.ObjectMeta(name=name, namespace="default", annotations=annotations))


async def read_line(stream: aiohttp.StreamReader) -> bytes:
    parts = []
    while part := await stream.readany():
        parts.append(part)
    whole = b"".join(parts).splitlines()
    return whole[-1] if whole else b""


def test_a_client_that_hangs_up_leaves_no_watcher_behind(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        reader, writer = await asyncio.open_unix_connection(api.address)
        writer.write(f"GET {PODS}?watch=1 HTTP/1.1\r\nHost: podrun\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        assert len(api.store._feed._watches) == 1
        writer.close()
        while api.store._feed._watches:
            await asyncio.sleep(0.01)

    play(tmp_path, scenario)


def test_a_client_that_hangs_up_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(api: Api) -> None:
        for number in range(20):
            reader, writer = await asyncio.open_unix_connection(api.address)
            writer.write(f"GET {PODS}?watch=1 HTTP/1.1\r\nHost: podrun\r\n\r\n".encode())
            if number % 2:
                await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
            await api.ask("POST", PODS, pod(f"pod-{number}"))
        while api.store._feed._watches:
            await asyncio.sleep(0.01)

    play(tmp_path, scenario)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_server_that_stops_ends_its_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "SHUTDOWN_SECONDS", 1000.0)  # longer than any test may take

    async def scenario(api: Api) -> None:
        reader, writer = await asyncio.open_unix_connection(api.address)
        writer.write(f"GET {PODS}?watch=1 HTTP/1.0\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")

    play(tmp_path, scenario)


def test_http_1_0_gets_plain_lines(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        reader, writer = await asyncio.open_unix_connection(api.address)
        writer.write(f"GET {PODS}?watch=1 HTTP/1.0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200")
        assert b"chunked" not in head.lower()
        assert json.loads(await reader.readline())["type"] == "ADDED"
        writer.close()

    play(tmp_path, scenario)
