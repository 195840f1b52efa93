"""HTTP, TCP and gRPC probes against real servers on loopback, friendly, slow and hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h2.config
import h2.connection
import h2.events
import pytest

from podrun.probe import grpc, http, http_client, http_request, tcp
from podrun.probe.outcomes import Errored, Failed, Outcome, Succeeded, Warned
from tests import wait

PATIENCE = wait.patient(60)  # seconds
SHORT = 0.3  # seconds, for what must time out
TRIES = (0.3, 3.0, 30.0)  # seconds, for what must time out when something else has succeeded, in one of them
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUd/adQSGNpX7aFRjl4mA5ocWmD+MwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKcHJvYmUudGVzdDAeFw0yNjExMjEwNDAxNTRaFw0yNjExMjIw
NDAxNTRaMBUxEzARBgNVBAMMCnByb2JlLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATosaQUuMO81cgaxm3bWl+ZjCK6K41JHDgIMAI69oc4v6VlaQ941wbd
igdlGN0NPB0dZo++YM39U3x2Ljk9j7ylo1MwUTAdBgNVHQ4EFgQU8ZGQi+z+32Di
GjmvobIlG4k248owHwYDVR0jBBgwFoAU8ZGQi+z+32DiGjmvobIlG4k248owDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAB4Vdw8QRhqlpifkxyoFbt
us0oHGF5iUnqF4V0syHypQIhAKWO33QQj+maF7XBs5wMnxYo9hbJMW8xTjtqhLCZ
F9Lo
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglDcYBK1xnoHDUKpg
umrEJgqyS/nsbGIbvt/mXy9sZ/qhRANCAATosaQUuMO81cgaxm3bWl+ZjCK6K41J
HDgIMAI69oc4v6VlaQ941wbdigdlGN0NPB0dZo++YM39U3x2Ljk9j7yl
-----END PRIVATE KEY-----
"""

T = TypeVar("T")
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


def run(story: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(story, PATIENCE))


@contextlib.asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """The port of a server on 127.0.0.1."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Site:
    """An HTTP server that answers each path with fixed bytes, and notes the requests."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {"/" + path: page for path, page in pages.items()}
        self.requests: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        writer.write(self.pages[head.split(" ")[1]])
        await writer.drain()


def page(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def url(port: int, path: str = "/", scheme: str = "http", *headers: tuple[str, str]) -> http_request.Request:
    return http_request.request(scheme, "127.0.0.1", port, path, headers, "probe")


def ask(answer: bytes, *, timeout: float = PATIENCE) -> Outcome:
    """What a probe makes of a server that sends `answer` and closes."""

    async def story() -> Outcome:
        async with listening(Site(page=answer).serve) as port:
            return await http.probe(url(port, "/page"), timeout)

    return run(story())


@contextlib.contextmanager
def claimed_port() -> Iterator[tuple[socket.socket, int]]:
    """A port that nobody listens on and that nobody else gets, and the socket that is bound to it."""
    with socket.socket() as claim:
        claim.bind(("127.0.0.1", 0))
        yield claim, int(claim.getsockname()[1])


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    (tmp_path / "tls.pem").write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    return context


@pytest.mark.parametrize("status", [200, 204, 299])
def test_an_answer_below_300_is_a_success(status: int) -> None:
    assert ask(page(status)) == Succeeded()


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_answer_from_400_on_is_a_failure_with_its_number(status: int) -> None:
    assert ask(page(status, b"sorry")) == Failed(f"HTTP probe failed with statuscode: {status}")


def test_a_body_may_come_in_chunks_or_until_the_end_and_be_endless() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert ask(chunked + b"5;x=y\r\nhello\r\n0\r\n\r\n") == Succeeded()
    assert ask(b"HTTP/1.0 200 OK\n\nhello") == Succeeded()
    assert ask(page(200, b"x" * (1 << 20))) == Succeeded()
    assert ask(b"HTTP/1.1 100 Continue\r\n\r\n" + page(200)) == Succeeded()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "invalid byte in chunk length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9999, "http: chunk length too large"),
    ],
)
def test_a_body_that_breaks_off_is_an_error_of_the_probe(answer: bytes, words: str) -> None:
    assert ask(answer) == Errored(words, "failure")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "EOF"),
        (b"HTTP/1.1 200", "unexpected EOF"),
        (b"hello\r\n\r\n", 'malformed HTTP response "hello"'),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", 'malformed HTTP status code "2x0"'),
        (b"HTTP/9.9 200 OK\r\n\r\n", 'malformed HTTP version "HTTP/9.9"'),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 'bad Content-Length "-1"'),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "too many 1xx informational responses"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Endless: yes\r\n" * 100_000, "server response headers exceeded"),
    ],
)
def test_no_http_is_a_failure_that_says_what_came(answer: bytes, words: str) -> None:
    outcome = ask(answer)
    assert isinstance(outcome, Failed)
    assert outcome.text.startswith('Get "http://127.0.0.1:')
    assert words in outcome.text


def test_the_request_is_the_kubelets() -> None:
    async def story() -> list[str]:
        site = Site(a=page(200))
        async with listening(site.serve) as port:
            await http.probe(url(port, "/a", "HTTP", ("Host", "example.org"), ("X-Name", "value")), PATIENCE)
        return site.requests

    lines = run(story())[0].split("\r\n")
    assert lines[0] == "GET /a HTTP/1.1"
    assert {"Host: example.org", "User-Agent: kube-probe/1.33", "X-Name: value", "Connection: close"} <= set(lines)


def test_redirects_on_the_same_host_are_followed() -> None:
    async def story() -> tuple[Outcome, Outcome]:
        site = Site(a=page(302, b"", "Location: /b"), b=page(307, b"", "Location: c"), c=page(503))
        async with listening(site.serve) as port:
            first = await http.probe(url(port, "/a"), PATIENCE)
            site.pages["/c"] = page(200)
            return first, await http.probe(url(port, "/a"), PATIENCE)

    assert run(story()) == (Failed("HTTP probe failed with statuscode: 503"), Succeeded())


def test_a_redirect_to_another_host_is_a_success_with_a_warning() -> None:
    outcome = ask(page(301, b"moved", "Location: http://192.0.2.1/"))
    assert outcome == Warned("Probe terminated redirects, Response body: moved")
    assert ask(page(304)) == Warned("Probe terminated redirects, Response body: ")


def test_redirects_end_after_ten() -> None:
    async def story() -> tuple[Outcome, int]:
        site = Site(round=page(302, b"", "Location: /round"))
        async with listening(site.serve) as port:
            return await http.probe(url(port, "/round"), PATIENCE), len(site.requests)

    outcome, requests = run(story())
    assert isinstance(outcome, Failed)
    assert outcome.text.endswith('/round": stopped after 10 redirects')
    assert requests == 10


def test_a_refused_connection_is_told_as_go_tells_it() -> None:
    with claimed_port() as (_, port):
        dialled = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
        failed = Failed(f'Get "http://127.0.0.1:{port}/": {dialled}', nobody_listens=True)
        assert run(http.probe(url(port), PATIENCE)) == failed
        assert run(tcp.probe("127.0.0.1", port, PATIENCE)) == Failed(dialled, nobody_listens=True)


def test_an_unknown_host_is_told() -> None:
    outcome = run(tcp.probe("no-such-host.invalid", 80, PATIENCE))
    assert outcome == Failed("dial tcp: lookup no-such-host.invalid: no such host")


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def stop_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi")
    await reader.read()


@pytest.mark.parametrize("serve", [say_nothing, drip_headers])
def test_silence_and_a_slow_drip_end_with_the_timeout(serve: Any) -> None:
    async def story() -> tuple[int, Outcome]:
        async with listening(serve) as port:
            return port, await http.probe(url(port), SHORT)

    port, outcome = run(story())
    words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert outcome == Failed(f'Get "http://127.0.0.1:{port}/": {words}')


def test_a_timeout_within_the_body_is_an_error() -> None:
    async def story(seconds: float) -> Outcome:
        async with listening(stop_in_the_body) as port:
            return await http.probe(url(port), seconds)

    words = "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
    assert any(run(story(seconds)) == Errored(words, "failure") for seconds in TRIES)


def test_certificates_are_not_checked(tls: ssl.SSLContext) -> None:
    async def story() -> tuple[Outcome, Outcome]:
        async with listening(Site(a=page(200), b=page(500, b"x" * 100_000)).serve, tls) as port:
            return (
                await http.probe(url(port, "/a", "HTTPS"), PATIENCE),
                await http.probe(url(port, "/b", "HTTPS"), 60),
            )

    assert run(story()) == (Succeeded(), Failed("HTTP probe failed with statuscode: 500"))


def test_https_to_a_plain_server_says_so() -> None:
    async def answer_anything(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(page(400))
        await reader.read()

    async def story() -> http_client.RequestFailed:
        async with listening(answer_anything) as port:
            with pytest.raises(http_client.RequestFailed) as caught:
                await http_client.get(url(port, "/", "https"), PATIENCE)
            return caught.value

    error = run(story())
    assert str(error).endswith("http: server gave HTTP response to HTTPS client")
    assert error.plain_http


def test_a_connection_is_enough_for_tcp() -> None:
    async def story() -> Outcome:
        async with listening(say_nothing) as port:
            return await tcp.probe("127.0.0.1", port, PATIENCE)

    assert run(story()) == Succeeded()


def test_a_connection_that_takes_too_long_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with contextlib.ExitStack() as stack:
            for _ in range(3):  # more than the backlog takes: the kernel drops the next handshake
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            assert run(tcp.probe("127.0.0.1", port, SHORT)) == Failed(f"dial tcp 127.0.0.1:{port}: i/o timeout")


def time_waits(port: int) -> int:
    """Our ends of connections to `port` that linger in TIME_WAIT (06), by proc(5)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for line in lines if line[3] == "06" and line[2].endswith(f":{port:04X}"))


def test_no_connection_is_left_in_time_wait() -> None:
    async def stay_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(page(200))
        await reader.read()

    async def story() -> int:
        async with listening(stay_open) as port:
            before = time_waits(port)  # of whoever had it a moment ago
            for _ in range(30):
                assert await http.probe(url(port), PATIENCE) == Succeeded()
                assert await tcp.probe("127.0.0.1", port, PATIENCE) == Succeeded()
            return time_waits(port) - before

    assert run(story()) <= 0


class Health:
    """A gRPC server of the health service, or of nothing."""

    def __init__(self, body: bytes = b"\0\0\0\0\x02\x08\x01", *trailers: tuple[str, str]) -> None:
        self.body = body
        self.trailers = trailers or (("grpc-status", "0"),)
        self.asked: list[tuple[dict[str, str], bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(False, header_encoding="utf-8"))
        connection.initiate_connection()
        headers: dict[str, str] = {}
        body = b""
        while True:
            writer.write(connection.data_to_send())
            for event in connection.receive_data(await reader.read(65536)):
                match event:
                    case h2.events.RequestReceived(headers=received):
                        headers = {str(name): str(value) for name, value in received or ()}
                    case h2.events.DataReceived(data=part):
                        body += part or b""
                    case h2.events.StreamEnded(stream_id=stream):
                        self.asked.append((headers, body))
                        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
                        connection.send_data(stream, self.body)
                        connection.send_headers(stream, list(self.trailers), end_stream=True)
                        writer.write(connection.data_to_send())


def ask_health(health: Health, service: str = "") -> Outcome:
    async def story() -> Outcome:
        async with listening(health.serve) as port:
            return await grpc.probe("127.0.0.1", port, service, PATIENCE)

    return run(story())


def test_a_serving_service_is_a_success() -> None:
    health = Health()
    assert ask_health(health, "web") == Succeeded("service healthy")
    headers, body = health.asked[0]
    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert headers["user-agent"] == "kube-probe/1.33"
    assert body == grpc.encode_request("web")


def test_other_answers_are_failures_in_the_words_of_the_kubelet() -> None:
    unhealthy = 'service unhealthy (responded with "NOT_SERVING")'
    assert ask_health(Health(b"\0\0\0\0\x02\x08\x02")) == Failed(unhealthy)
    not_found = Health(b"", ("grpc-status", "5"), ("grpc-message", "unknown%20service"))
    assert ask_health(not_found) == Failed(
        "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"
    )
    missing = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no"
    assert ask_health(Health(b"", ("grpc-status", "12"), ("grpc-message", "no"))) == Failed(missing)
    assert isinstance(ask_health(Health(b"x" * 40)), Failed)
    assert isinstance(ask_health(Health(b"x" * 16000)), Failed)


def test_a_server_that_speaks_no_http2_is_never_connected() -> None:
    async def story(serve: Any) -> tuple[int, Outcome]:
        async with listening(serve) as port:
            return port, await grpc.probe("127.0.0.1", port, "", SHORT)

    for serve in (say_nothing, Site(a=page(200)).serve):
        port, outcome = run(story(serve))
        words = f'failed to connect service "127.0.0.1:{port}" within 0.3s: context deadline exceeded'
        assert outcome == Failed(f"timeout: {words}")


def test_a_server_that_never_answers_the_call_is_a_timeout() -> None:
    async def greet_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        await reader.read()
        while await reader.read(65536):
            pass

    async def story(seconds: float) -> Outcome:
        async with listening(greet_only) as port:
            return await grpc.probe("127.0.0.1", port, "", seconds)

    words = "timeout: health rpc did not complete within {:g}s"
    assert any(run(story(seconds)) == Failed(words.format(seconds)) for seconds in TRIES)


def test_a_service_that_starts_while_it_is_probed_is_found() -> None:
    async def story() -> Outcome:
        with claimed_port() as (claim, port):
            probing = asyncio.create_task(grpc.probe("127.0.0.1", port, "", PATIENCE))
            await asyncio.sleep(0.1)
            server = await asyncio.start_server(Health().serve, sock=claim)
            try:
                return await probing
            finally:
                server.close()

    assert run(story()) == Succeeded("service healthy")
