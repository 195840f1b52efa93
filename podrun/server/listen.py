"""Serving an application on a unix socket that only root can reach."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from aiohttp import web

from podrun.errors import PodrunError

LONGEST_ADDRESS = 107
"""Bytes of a path in sun_path, unix(7)."""

LINGERING_SECONDS = 2.0
"""How long a body that was refused is still taken in, so that its sender gets to read why."""

SHUTDOWN_SECONDS = 1.0
"""For requests that are under way when the server stops; watches and logs are ended at once."""


async def serve(app: web.Application, socket_path: Path) -> web.AppRunner:
    """Listen on `socket_path` (mode 0600; its directory is made, mode 0700). `await runner.cleanup()` ends it.

    A socket that is there already is replaced: whether someone serves it is for the caller to know.
    """
    listening = bind(socket_path)

    async def unlink(app: web.Application) -> None:
        socket_path.unlink(missing_ok=True)

    app.on_cleanup.append(unlink)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_SECONDS,
        lingering_time=LINGERING_SECONDS,
    )
    try:
        await runner.setup()
        await web.SockSite(runner, listening, backlog=128).start()
    except BaseException:
        listening.close()
        await runner.cleanup()
        raise
    return runner


def bind(path: Path) -> socket.socket:
    """A listening-to-be stream socket at `path`, however long that is. PodrunError: why there is none."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=directory)
            # unix(7): before bind, the mode of the socket's inode becomes that of the new file.
            os.fchmod(bound.fileno(), 0o600)
            bound.bind(address(path, directory))
        finally:
            os.close(directory)
    except OSError as error:
        bound.close()
        raise PodrunError(f"cannot listen on {path}: {error.strerror or error}") from error
    return bound


def address(path: Path, directory: int) -> str:
    """What to bind or connect to; `directory` is a descriptor of the path's directory."""
    plain = os.fspath(path)
    return plain if len(os.fsencode(plain)) <= LONGEST_ADDRESS else f"/proc/self/fd/{directory}/{path.name}"
