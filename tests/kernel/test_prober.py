"""The prober's loops, against a real server: which probes go, what is told, what is left when they stop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import execution
from podrun.kubelet.prober import Outside, Prober, ProbeVerdict, Wanted
from tests import wait

PATIENCE = wait.patient(60)  # seconds

T = TypeVar("T")


def run(story: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(story, PATIENCE))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


class Server:
    """An HTTP server with one status for all, that counts the requests and how many it has at once."""

    def __init__(self, status: int = 200, seconds: float = 0.0) -> None:
        self.status = status
        self.seconds = seconds
        self.requests = 0
        self.now = self.most = 0

    async def listen(self) -> int:
        with socket.socket() as place:
            place.bind(("127.0.0.1", 0))
            await self.listen_on(place)
            return int(place.getsockname()[1])

    async def listen_on(self, place: socket.socket) -> None:
        self.server = await asyncio.start_server(self._serve, sock=place.dup())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(self.seconds)
            writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.now -= 1
            writer.close()


class Observer:
    def __init__(self) -> None:
        self.verdicts: list[ProbeVerdict] = []
        self.events: list[tuple[str, str, str]] = []
        outside = Outside(
            self.verdicts.append, lambda *event: self.events.append(event), partial(execution.run, self._prepare), 0.0
        )
        self.prober = Prober(outside)
        self.prepared = 0

    async def _prepare(self, container: str, argv: tuple[str, ...]) -> tuple[str, str]:
        self.prepared += 1
        raise PodrunError("not here")

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(verdict.kind, verdict.result) for verdict in self.verdicts]


def probe(port: int | str, **changes: Any) -> objects.Probe:
    fields = {"period_seconds": 1, "timeout_seconds": 5, "success_threshold": 1, "failure_threshold": 1, **changes}
    return objects.Probe(http_get=objects.HTTPGetAction(path="/", port=port), **fields)


def wanted(kind: str, spec: objects.Probe, attempt: int = 0, **changes: Any) -> Wanted:
    container = objects.Container(name="web", **{f"{kind}_probe": spec})
    return Wanted(container, attempt, kind, time.time(), "127.0.0.1", **changes)  # type: ignore[arg-type]


def test_a_change_of_belief_is_told_once_and_a_failure_is_an_event() -> None:
    async def story() -> None:
        server, seen = Server(), Observer()
        port = await server.listen()
        seen.prober.sync([wanted("readiness", probe(port))])
        await until(lambda: server.requests >= 2)
        assert seen.results == [("readiness", "success")]
        assert seen.events == []
        server.status = 503
        await until(lambda: len(seen.verdicts) == 2)
        assert seen.results[1] == ("readiness", "failure")
        failed = "Readiness probe failed: HTTP probe failed with statuscode: 503"
        assert set(seen.events) == {("web", "Unhealthy", failed)}  # a second one may have followed at once, if late
        await seen.prober.close()

    run(story())


def test_a_server_that_comes_up_later_is_found_without_an_event() -> None:
    async def story() -> None:
        server, seen = Server(), Observer()
        with socket.socket() as place:
            place.bind(("127.0.0.1", 0))  # and nobody listens there
            port = int(place.getsockname()[1])
            seen.prober.sync([wanted("readiness", probe(port, period_seconds=int(PATIENCE)))])
            await asyncio.sleep(0.1)
            await server.listen_on(place)
        await until(lambda: bool(seen.verdicts))
        assert seen.results == [("readiness", "success")]
        assert seen.events == []
        await seen.prober.close()

    run(story())


def test_what_is_no_longer_wanted_stops_and_what_still_is_goes_on() -> None:
    async def story() -> None:
        first, second, seen = Server(), Server(), Observer()
        one, two = wanted("liveness", probe(await first.listen())), wanted("readiness", probe(await second.listen()))
        seen.prober.sync([one, two])
        await until(lambda: first.requests > 0 and second.requests > 0)
        seen.prober.sync([two])
        before = first.requests
        await until(lambda: second.requests >= 3)
        assert first.requests == before
        await seen.prober.close()

    run(story())


def test_a_failed_liveness_probe_holds_until_there_is_a_new_run() -> None:
    async def story() -> None:
        server, seen = Server(500), Observer()
        spec = probe(await server.listen())
        seen.prober.sync([wanted("liveness", spec)])
        await until(lambda: bool(seen.verdicts))
        await asyncio.sleep(1.2)  # longer than a period
        assert (server.requests, seen.results) == (1, [("liveness", "failure")])
        seen.prober.sync([wanted("liveness", spec, attempt=1)])
        await until(lambda: len(seen.verdicts) == 2)
        assert [verdict.attempt for verdict in seen.verdicts] == [0, 1]
        await seen.prober.close()

    run(story())


def test_a_slow_probe_never_overlaps_itself() -> None:
    async def story() -> None:
        server, seen = Server(seconds=1.3), Observer()
        seen.prober.sync([wanted("readiness", probe(await server.listen()))])
        await until(lambda: server.requests >= 2)
        assert server.most == 1
        await seen.prober.close()
        await until(lambda: server.now == 0)

    run(story())


def test_an_error_is_tried_three_times_and_counts_for_nothing() -> None:
    async def story() -> None:
        seen = Observer()
        spec = objects.Probe(
            exec=objects.ExecAction(command=("true",)), period_seconds=100, timeout_seconds=5, failure_threshold=1
        )
        seen.prober.sync([wanted("liveness", spec), wanted("readiness", probe("nameless", period_seconds=100))])
        await until(lambda: len(seen.events) == 2)
        assert seen.prepared == 3
        assert seen.verdicts == []
        assert {message for _, _, message in seen.events} == {
            "Liveness probe errored and resulted in unknown state: not here",
            'Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "nameless": invalid syntax',
        }
        await seen.prober.close()

    run(story())


def test_nothing_is_probed_within_the_initial_delay() -> None:
    async def story() -> None:
        server, seen = Server(), Observer()
        port = await server.listen()
        seen.prober.sync(
            [wanted("readiness", probe(port, initial_delay_seconds=1000)), wanted("liveness", probe(port))]
        )
        await until(lambda: server.requests >= 2)
        assert seen.verdicts == []
        await seen.prober.close()

    run(story())


def test_hundreds_of_probes_go_at_once() -> None:
    async def story() -> None:
        server, seen = Server(), Observer()
        spec = probe(await server.listen(), timeout_seconds=int(PATIENCE))
        seen.prober.sync([wanted("readiness", spec, attempt) for attempt in range(300)])
        await until(lambda: len(seen.verdicts) == 300)
        assert {verdict.result for verdict in seen.verdicts} == {"success"}
        await seen.prober.close()

    run(story())
