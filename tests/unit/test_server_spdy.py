"""SPDY frames: taken apart wherever the bytes are, refused where they are none, made as a client reads them."""

from __future__ import annotations

import struct
import zlib

import pytest

from podrun.server import spdy
from podrun.server.spdy import Data, Left, Opened, Ping, Reader, Reset, SpdyError
from tests import spdy_client

HEADERS = {"streamtype": "data", "port": "8080", "requestid": "0"}


def conversation() -> bytes:
    client = spdy_client.Frames()
    return (
        client.open(1, {**HEADERS, "streamtype": "error"}, is_last=True)
        + client.open(3, HEADERS)
        + spdy.data(3, b"GET /")
        + spdy.pong(7)
        + spdy.data(3, b"", is_last=True)
        + spdy.reset(3)
        + client.control(7, struct.pack(">II", 0, 0))
    )


EVENTS = [
    Opened(1, {**HEADERS, "streamtype": "error"}, True),
    Opened(3, HEADERS, False),
    Data(3, b"GET /", False),
    Ping(7),
    Data(3, b"", True),
    Reset(3),
    Left(),
]


def test_the_dictionary_is_the_one_that_both_sides_know() -> None:
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_whole_frames_become_events() -> None:
    assert list(Reader().feed(conversation())) == EVENTS


def test_single_bytes_become_the_same_events() -> None:
    reader = Reader()
    events = [event for byte in conversation() for event in reader.feed(bytes([byte]))]
    pieces = [event for event in events if isinstance(event, Data) and event.piece]
    assert b"".join(event.piece for event in pieces) == b"GET /"
    assert [event for event in events if event not in pieces] == [event for event in EVENTS if event != EVENTS[2]]


def test_the_last_piece_of_a_frame_carries_its_end() -> None:
    reader, frame = Reader(), spdy.data(5, b"abc", is_last=True)
    assert list(reader.feed(frame[:9])) == [Data(5, b"a", False)]
    assert list(reader.feed(frame[9:])) == [Data(5, b"bc", True)]


@pytest.mark.parametrize(
    "wrong",
    [
        struct.pack(">II", 1 << 31 | 2 << 16 | 1, 0),  # SPDY/2
        struct.pack(">II", 1 << 31 | 3 << 16 | 1, spdy.MOST_CONTROL + 1),
        struct.pack(">II", 1 << 31 | 3 << 16 | 6, 2) + b"ab",
        struct.pack(">II", 1 << 31 | 3 << 16 | 1, 14) + bytes(10) + b"text",
        spdy_client.Frames().control(1, bytes(10) + spdy_client.Frames().block(struct.pack(">II", 1, 99) + b"a")),
        spdy_client.Frames().control(1, bytes(10) + spdy_client.Frames().block(bytes(spdy.MOST_HEADERS + 1))),
    ],
)
def test_what_is_no_spdy_is_an_error(wrong: bytes) -> None:
    with pytest.raises(SpdyError):
        list(Reader().feed(wrong))


def test_replies_have_no_headers_in_a_compression_of_one_connection() -> None:
    writer, inflater = spdy.Writer(), zlib.decompressobj(zdict=spdy.DICTIONARY)
    for stream in (1, 3):
        reply = writer.reply(stream)
        first, length, id = struct.unpack_from(">III", reply)
        assert (first & 0xFFFF, length, id) == (2, len(reply) - 8, stream)
        assert inflater.decompress(reply[12:]) == bytes(4)
