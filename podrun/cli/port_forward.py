"""`podrun port-forward`: local ports that lead into a pod. The kubelet connects inside the pod; the bytes pass here."""

from __future__ import annotations

import contextlib
import select
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SHUT_WR, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET
from socket import socket as Socket
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import containers, resources
from podrun.cli.client import Client
from podrun.cli.failures import StatusFailure
from podrun.errors import PodrunError

EXAMPLES = """
# Listen on ports 5000 and 6000 locally, forwarding data to and from the same ports in the pod
podrun port-forward web 5000 6000

# Listen on port 8888 locally, forwarding to 5000 in the pod; on a port that is free
podrun port-forward pod/web 8888:5000
podrun port-forward pod/web :5000

# Listen on port 8888 on all addresses, or on some
podrun port-forward --address 0.0.0.0 pod/web 8888:5000
podrun port-forward --address localhost,10.19.21.23 pod/web 8888:5000
"""

LOCALHOST = (AF_INET, "127.0.0.1"), (AF_INET6, "::1")
PIECE = 1 << 16
BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Forward:
    """`local` 0: any that is free."""

    local: int
    remote: int


@click.command(
    "port-forward",
    cls=shared.Verb,
    synopsis="TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]",
    examples=EXAMPLES,
    help="Forward one or more local ports to a pod.\n\n It ends with Ctrl-C, or when the pod is gone.",
)
@click.argument("arguments", nargs=-1)
@click.option("--address", "addresses", multiple=True, help="Addresses to listen on, comma separated; localhost too.")
@click.option("--pod-running-timeout", default="1m0s", hidden=True, callback=shared.read_duration)
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    addresses: tuple[str, ...],
    pod_running_timeout: float,
    namespace: str | None,
) -> None:
    if len(arguments) < 2:
        raise PodrunError(
            "TYPE/NAME and list of ports are required for port-forward\n"
            "See 'podrun port-forward -h' for help and examples"
        )
    client = session.client
    path = resources.POD.path(session.namespace_of(namespace), containers.pod_name(arguments[0]))
    pod = client.get(path)
    forwards = [read_forward(word, pod) for word in arguments[1:]]
    phase = (pod.get("status") or {}).get("phase", "")
    if phase != "Running":
        raise PodrunError(f"unable to forward port because pod is not running. Current status={phase}")
    places = [place for word in addresses or ("localhost",) for one in word.split(",") for place in read_address(one)]
    _Forwarding(client, path, forwards, places).run()


def read_forward(word: str, pod: dict[str, Any]) -> Forward:
    """`80`, `8080:80`, `:80`, with names of the pod's ports on the right. PodrunError."""
    local, colon, remote = word.partition(":")
    if not colon:
        local = remote = word
    number = _port_named(pod, remote) or _number(remote)
    if not colon:
        return Forward(number, number)
    return Forward(_number(local) if local else 0, number)


def _number(word: str) -> int:
    if not word.isascii() or not word.isdecimal() or not 0 < int(word) < 65536:
        raise PodrunError(f'error parsing port "{word}": must be a number from 1 to 65535, or the name of a port')
    return int(word)


def _port_named(pod: dict[str, Any], name: str) -> int:
    spec = pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        for port in container.get("ports") or []:
            if port.get("name") == name:
                return int(port["containerPort"])
    return 0


def read_address(word: str) -> Sequence[tuple[int, str]]:
    import ipaddress

    if word == "localhost":
        return LOCALHOST
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        raise PodrunError(f"{word} is not a valid IP") from None
    return [(AF_INET if address.version == 4 else AF_INET6, word)]


class _Forwarding:
    def __init__(
        self, client: Client, path: str, forwards: Sequence[Forward], places: Sequence[tuple[int, str]]
    ) -> None:
        self._client = client
        self._path = path
        self._listeners: dict[int, tuple[Socket, Forward, int]] = {}
        self._lost = threading.Event()
        for forward in forwards:
            self._listen(forward, places)

    def _listen(self, forward: Forward, places: Sequence[tuple[int, str]]) -> None:
        """On all places that it can be; PodrunError: on none."""
        port, problems = forward.local, []
        for family, address in places:
            listener = Socket(family, SOCK_STREAM)
            try:
                listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
                if family == AF_INET6:
                    listener.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)
                listener.bind((address, port))
                listener.listen(BACKLOG)
            except OSError as error:
                listener.close()
                problems.append(f"{address}:{port}: {error.strerror}")
                continue
            port = listener.getsockname()[1]
            shown = f"[{address}]" if family == AF_INET6 else address
            print(f"Forwarding from {shown}:{port} -> {forward.remote}", flush=True)
            self._listeners[listener.fileno()] = (listener, forward, port)
        if len(problems) == len(places):
            raise PodrunError(f"unable to listen on port {forward.local}: {'; '.join(problems)}")

    def run(self) -> None:
        poll = select.poll()
        for descriptor in self._listeners:
            poll.register(descriptor, select.POLLIN)
        while not self._lost.is_set():
            for descriptor, _ in poll.poll(500):
                listener, forward, port = self._listeners[descriptor]
                try:
                    local, _ = listener.accept()
                except OSError:
                    continue
                print(f"Handling connection for {port}", flush=True)
                threading.Thread(target=self._serve, args=(local, forward.remote), daemon=True).start()
        raise PodrunError("lost connection to pod")

    def _serve(self, local: Socket, port: int) -> None:
        with local:
            headers = {"X-Podrun-Stream": "descriptor"}
            try:
                descriptor = self._client.receive_descriptor(
                    "POST", f"{self._path}/portforward", {"port": port}, headers=headers
                )
            except PodrunError as error:
                # In one piece, since print writes the end of the line apart, and many threads may complain at once.
                sys.stderr.write(f"error: an error occurred forwarding to port {port}: {error.message}\n")
                sys.stderr.flush()
                if isinstance(error, StatusFailure) and error.reason in ("NotFound", "BadRequest"):
                    self._lost.set()
                return
            with Socket(fileno=descriptor) as remote:
                copy_both(local, remote)


def copy_both(one: Socket, other: Socket) -> None:
    """Until both have said all, or one of them is gone. What one ends, the other sees ended."""
    for end in (one, other):
        end.setblocking(False)
    ways = [_Way(one, other), _Way(other, one)]
    with contextlib.suppress(OSError):
        while not all(way.over for way in ways):
            poll = select.poll()
            wanted: dict[int, int] = {}
            for way in ways:
                for descriptor, events in way.waits_for():
                    wanted[descriptor] = wanted.get(descriptor, 0) | events
            for descriptor, events in wanted.items():
                poll.register(descriptor, events)
            poll.poll()
            for way in ways:
                way.step()


class _Way:
    """One direction."""

    def __init__(self, source: Socket, target: Socket) -> None:
        self._source = source
        self._target = target
        self._pending = b""
        self.over = False

    def waits_for(self) -> list[tuple[int, int]]:
        if self.over:
            return []
        if self._pending:
            return [(self._target.fileno(), select.POLLOUT)]
        return [(self._source.fileno(), select.POLLIN)]

    def step(self) -> None:
        """OSError: a side is gone."""
        if self.over:
            return
        if not self._pending:
            try:
                self._pending = self._source.recv(PIECE)
            except BlockingIOError:
                return
            if not self._pending:
                self.over = True
                self._target.shutdown(SHUT_WR)
                return
        with contextlib.suppress(BlockingIOError):
            self._pending = self._pending[self._target.send(self._pending) :]
