"""What the WebSocket messages of exec and attach hold: a first byte names the channel. Pure.

The protocols of k8s.io/apimachinery/pkg/util/remotecommand; v5 can close a channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from podrun.api import kinds, objects

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
MOST_CELLS = (1 << 16) - 1  # rows or columns, winsize of ioctl_tty(2)


@dataclass(frozen=True, slots=True)
class Input:
    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfInput:
    pass


@dataclass(frozen=True, slots=True)
class Resize:
    rows: int
    columns: int


def parse(message: bytes) -> Input | EndOfInput | Resize | None:
    """None: it says nothing that matters here."""
    if not message:
        return None
    rest = message[1:]
    match message[0]:
        case 0:
            return Input(rest) if rest else None
        case 4:
            return _resize(rest)
        case 255 if rest[:1] == bytes([STDIN]):
            return EndOfInput()
        case _:
            return None


def _resize(text: bytes) -> Resize | None:
    try:
        size = msgspec.json.decode(text, type=dict[str, int])
    except msgspec.DecodeError:
        return None
    rows, columns = size.get("Height", 0), size.get("Width", 0)
    return Resize(rows, columns) if 0 < rows <= MOST_CELLS and 0 < columns <= MOST_CELLS else None


def message(channel: int, data: bytes = b"") -> bytes:
    return bytes([channel]) + data


def ended(code: int) -> bytes:
    """The last message: how the command ended, 128 + N for signal N."""
    if code == 0:
        return _status(objects.Status(status="Success"))
    cause = objects.StatusCause(reason="ExitCode", message=str(code))
    return _status(
        objects.Status(
            status="Failure",
            message=f"command terminated with non-zero exit code: exit status {code}",
            reason="NonZeroExitCode",
            details=objects.StatusDetails(causes=(cause,)),
        )
    )


def failed(status: objects.Status) -> bytes:
    """The last message: there is no exit code to tell."""
    return _status(status)


def _status(status: objects.Status) -> bytes:
    return message(ERROR, kinds.to_json(status))
