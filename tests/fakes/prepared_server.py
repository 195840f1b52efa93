"""An HTTP server on a unix socket that plays prepared answers, and notes what it was asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_UNIX, SHUT_RDWR, SHUT_WR, SOCK_STREAM
from socket import socket as Socket
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Query = dict[str, list[str]]

HANG_UP = 0
"""For the code of an answer: there is none, as when the kubelet is killed."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Query
    headers: dict[str, str]
    body: bytes


@dataclass
class PreparedServer:
    """`answers` holds for `METHOD path` what is answered in turn, the last one for ever after."""

    socket: Path
    answers: dict[str, list[tuple[int, bytes, str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, request: str, body: object, code: int = 200, type_: str = "application/json") -> None:
        """`body`: bytes as they are; a list of watch events when the path is asked with watch=1; else JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.setdefault(request, []).append((code, content, type_))

    def refuse(self, request: str, code: int, reason: str, message: str, **details: Any) -> None:
        self.answer(request, status(code, reason, message, **details), code)

    def watch(self, path: str, *events: tuple[str, object]) -> None:
        lines = [json.dumps({"type": kind, "object": item}) + "\n" for kind, item in events]
        self.answer(f"WATCH {path}", "".join(lines).encode())

    def serve(self, listener: Socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._respond(connection)

    def _respond(self, connection: Socket) -> None:
        asked = _read(connection)
        self.asked.append(asked)
        method = "WATCH" if asked.query.get("watch") else asked.method
        prepared = self.answers.get(f"{method} {asked.path}")
        if prepared is None:
            missing = status(404, "NotFound", f"nothing is prepared for {method} {asked.path}")
            prepared = [(404, json.dumps(missing).encode(), "application/json")]
        code, body, type_ = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if code == HANG_UP:
            return
        connection.sendall(f"HTTP/1.0 {code} Prepared\r\nContent-Type: {type_}\r\n\r\n".encode() + body)
        connection.shutdown(SHUT_WR)


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


def _read(connection: Socket) -> Asked:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("Content-Length", 0)):
        body += connection.recv(1 << 16)
    method, target, _ = first.split(" ")
    url = urlsplit(target)
    return Asked(method, unquote(url.path), parse_qs(url.query), headers, body)


@contextlib.contextmanager
def prepared_server(run_dir: Path) -> Iterator[PreparedServer]:
    server = PreparedServer(run_dir / "podrun.sock")
    with Socket(AF_UNIX, SOCK_STREAM) as listener:
        listener.bind(str(server.socket))
        listener.listen()
        thread = threading.Thread(target=server.serve, args=(listener,))
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(SHUT_RDWR)
            thread.join()
