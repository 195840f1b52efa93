"""The kubelet's API as a test asks it: HTTP/1.0 over the unix socket. Quicker than a command: for polling."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from tests import wait

Json = dict[str, Any]


class Refusal(Exception):
    """An answer that is not 2xx; `status` is Kubernetes' Status object, or empty."""

    def __init__(self, code: int, status: Json) -> None:
        super().__init__(f"{code}: {status.get('message', status)}")
        self.code = code
        self.status = status


def request(
    socket_path: Path, method: str, path: str, body: bytes = b"", content_type: str = "application/json"
) -> Json:
    """The answer's JSON. Refusal: the server refused. OSError: nobody serves the socket."""
    head = f"{method} {path} HTTP/1.0\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    with _connected(socket_path) as connection:
        connection.sendall(head.encode() + body)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    header, _, content = received.partition(b"\r\n\r\n")
    if not header:
        raise ConnectionError("the kubelet closed the connection without an answer")
    code = int(header.split()[1])
    value: Json = json.loads(content) if content.startswith(b"{") else {"text": content.decode()}
    if not 200 <= code < 300:
        raise Refusal(code, value)
    return value


def _connected(path: Path) -> socket.socket:
    """Reached through its directory's descriptor, as paths of tests are longer than a socket address may be."""
    connection = socket.socket(socket.AF_UNIX)
    directory = -1
    try:
        connection.settimeout(wait.patient(60))
        directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
        connection.connect(f"/proc/self/fd/{directory}/{path.name}")
    except BaseException:
        connection.close()
        raise
    finally:
        if directory >= 0:
            os.close(directory)
    return connection
