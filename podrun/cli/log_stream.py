"""One container's log, read to its end over as many kubelets as that takes: no line is lost, none comes twice.

The kubelet sends with each piece of text the place after it (server/log_frames.py), from which the next one goes on.
"""

from __future__ import annotations

import time

from podrun.cli.client import PATIENCE, RECONNECTING, Client, KubeletDownError, KubeletLostError, Query, Stream
from podrun.errors import PodrunError

FRAMED = "application/vnd.podrun.log"
HINT = "containers run on, and are logged on: follow them again"


class LogStream:
    def __init__(self, client: Client, path: str, query: Query) -> None:
        """`query` as core/v1 PodLogOptions, with `limitBytes` as a number. StatusFailure: the log can't be had."""
        self._client = client
        self._path = path
        self._query = query
        self._left = query.get("limitBytes")
        self._place = ""
        self._received = b""
        self._deadline = 0.0
        self._advanced = True
        self._stream = self._open()
        self.ended = False

    def fileno(self) -> int:
        """Another one after each `read` that found the kubelet gone."""
        return self._stream.fileno()

    @property
    def holds_bytes(self) -> bool:
        """Whether reading would not block, though nothing says so."""
        return self._stream.holds_bytes

    def close(self) -> None:
        self._stream.close()

    def read(self) -> bytes:
        """Some text, perhaps none; at the end `ended`. Blocks. PodrunError: the kubelet went, and no other came."""
        piece = self._stream.read()
        if not piece:
            self._end_or_go_on()
            return b""
        return self._texts(piece) if self._is_framed else piece

    def _open(self) -> Stream:
        query = {**self._query, "framed": True}
        if self._place:
            query |= {"place": self._place, "tailLines": None, "limitBytes": self._left}
        stream = self._client.open("GET", self._path, query)
        self._is_framed = stream.headers.get("content-type") == FRAMED
        self._opened_at = time.monotonic()
        return stream

    def _texts(self, piece: bytes) -> bytes:
        """Of the frames that are whole by now: only their places are known."""
        self._received += piece
        texts = []
        while b"\n" in self._received:
            head, _, rest = self._received.partition(b"\n")
            length, _, place = head.partition(b" ")
            if len(rest) < int(length):
                break
            if place == b"end":
                self.ended = True
                break
            text, self._received = rest[: int(length)], rest[int(length) :]
            texts.append(text)
            self._advanced |= place.decode() != self._place
            self._place = place.decode()
            if isinstance(self._left, int):
                self._left -= len(text)
        return b"".join(texts)

    def _end_or_go_on(self) -> None:
        if self.ended or not self._is_framed or self._left == 0:
            self.ended = True
            return
        self._stream.close()
        self._received = b""
        now = time.monotonic()
        if self._advanced or now - self._opened_at > PATIENCE:
            self._deadline = now + PATIENCE
        self._advanced = False
        self._client = self._client.starting_none()
        while time.monotonic() < self._deadline:
            time.sleep(RECONNECTING)
            try:
                self._stream = self._open()
            except (KubeletDownError, KubeletLostError):
                continue
            return
        what = "followed" if self._query.get("follow") else "read"
        raise PodrunError(f"the logs were {what} to the end of the kubelet, not of the container", hint=HINT)
