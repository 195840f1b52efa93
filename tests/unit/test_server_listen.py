"""The socket: who may use it, replacing a dead one, long paths."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from aiohttp import web

from podrun.errors import PodrunError
from podrun.server import listen


async def answer(path: Path) -> bytes:
    directory = os.open(path.parent, os.O_PATH)
    try:
        reader, writer = await asyncio.open_unix_connection(listen.address(path, directory))
    finally:
        os.close(directory)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    found = await reader.read()
    writer.close()
    return found


def serve_once(path: Path) -> bytes:
    async def scenario() -> bytes:
        app = web.Application()

        async def hello(request: web.Request) -> web.Response:
            return web.Response(text="hello")

        app.router.add_get("/", hello)
        runner = await listen.serve(app, path)
        try:
            return await answer(path)
        finally:
            await runner.cleanup()

    return asyncio.run(scenario())


def test_only_the_owner_can_reach_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "run" / "podrun.sock"
    assert serve_once(path).endswith(b"hello")
    assert not path.exists()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    bound = listen.bind(path)
    try:
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        bound.close()


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "podrun.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert serve_once(path).endswith(b"hello")


def test_a_path_longer_than_an_address_is_served(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120) / "podrun.sock"
    assert serve_once(path).endswith(b"hello")


def test_a_directory_that_can_not_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PodrunError, match="cannot listen on"):
        listen.bind(tmp_path / "file" / "podrun.sock")
