"""`podrun logs`: text of one container's log, or of several, one after the other or all at once with -f."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from podrun.cli import command as shared
from podrun.cli import containers, resources
from podrun.cli.client import Client, Query, Stream
from podrun.cli.failures import StatusFailure
from podrun.errors import PodrunError

EXAMPLES = """
# Return the log of the only container of pod web
podrun logs web

# Follow the log of container app in pod web
podrun logs -f -c app web

# Display only the most recent 20 lines
podrun logs --tail=20 web

# Show what the run before the last restart wrote
podrun logs -p web

# Show all logs of the last hour, of all containers
podrun logs --since=1h --all-containers web

# Follow all containers of several pods at once, saying which line comes from where
podrun logs -f -l app=web --all-containers --prefix
"""

NO_POD = """expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.
POD or TYPE/NAME is a required argument for the logs command
See 'podrun logs -h' for help and examples"""

TAIL_OF_MANY = 10
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
"""SGR codes of ECMA-48."""


class Source(NamedTuple):
    pod: str
    container: str
    path: str


@click.command(
    "logs",
    cls=shared.Verb,
    synopsis="[-f] [-p] (POD | TYPE/NAME) [-c CONTAINER] [options]",
    examples=EXAMPLES,
    help="Print the logs for a container in a pod. If the pod has only one container, the container name is optional.",
)
@click.argument("arguments", nargs=-1)
@click.option("-c", "--container", default="", help="Print the logs of this container")
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Specify if the logs should be streamed, those of later runs of the container too.",
)
@click.option(
    "-p", "--previous", is_flag=True, help="Print the logs of the previous run of the container, if there is one."
)
@click.option("--tail", type=int, default=-1, help="Lines of recent log file to display. -1: all; with a selector 10.")
@click.option("--since", default="0s", callback=shared.read_duration, help="Only logs newer than 5s, 2m, or 3h.")
@click.option("--since-time", default="", help="Only return logs after a specific date (RFC3339).")
@click.option("--timestamps", is_flag=True, help="Include timestamps on each line in the log output")
@click.option("--limit-bytes", type=int, default=0, help="Maximum bytes of logs to return. Defaults to no limit.")
@click.option("--all-containers", is_flag=True, help="Get all containers' logs in the pod(s).")
@click.option("--max-log-requests", type=int, default=5, help="How many logs may be followed at once.")
@click.option("--ignore-errors", is_flag=True, help="Go on where the log of one container can't be had.")
@click.option("--prefix", is_flag=True, help="Prefix each log line with the log source (pod name and container name)")
@shared.selector_option
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    container: str,
    follow: bool,
    previous: bool,
    tail: int,
    since: float,
    since_time: str,
    timestamps: bool,
    limit_bytes: int,
    all_containers: bool,
    max_log_requests: int,
    ignore_errors: bool,
    prefix: bool,
    selector: str,
    namespace: str | None,
) -> None:
    if len(arguments) == 2 and container:
        raise PodrunError("only one of -c or an inline [CONTAINER] arg is allowed")
    if bool(selector) == bool(arguments) or len(arguments) > 2:
        raise PodrunError("only a selector (-l) or a POD name is allowed" if selector else NO_POD)
    if all_containers and container:
        raise PodrunError("--all-containers=true should not be specified with container name " + container)
    if since and since_time:
        raise PodrunError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if tail < -1:
        raise PodrunError("--tail must be greater than or equal to -1")
    client, where = session.client, session.namespace_of(namespace)
    if selector:
        pods = client.get(resources.POD.list_path(where), {"labelSelector": selector}).get("items") or []
        tail = TAIL_OF_MANY if tail == -1 else tail
    else:
        pods = [_pod(client, where, containers.pod_name(arguments[0]))]
        container = container or "".join(arguments[1:])
    query: Query = {
        "follow": follow,
        "followRestarts": follow,
        "previous": previous,
        "timestamps": timestamps,
        "tailLines": None if tail == -1 else str(tail),
        "sinceSeconds": max(1, round(since)) if since else None,
        "sinceTime": since_time,
        "limitBytes": limit_bytes or None,
    }
    sources = [source for pod in pods for source in _sources(pod, where, container, everyone=all_containers)]
    if not sources:
        print(f"No resources found in {where} namespace.", file=sys.stderr)
    if follow and len(sources) > max_log_requests:
        raise PodrunError(
            f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is "
            f"{max_log_requests}, use --max-log-requests to increase the limit"
        )
    reader = _Reader(client, query, _prefixes(sources) if prefix else {}, ignore_errors)
    if follow and len(sources) > 1:
        reader.all_at_once(sources)
    else:
        for source in sources:
            reader.copy(source)
    if follow and sources and not client.is_up():
        hint = "containers run on, and are logged on: follow them again"
        raise PodrunError("the logs were followed to the end of the kubelet, not of the container", hint=hint)


def _pod(client: Client, namespace: str, name: str) -> dict[str, Any]:
    try:
        return dict(client.get(resources.POD.path(namespace, name)))
    except StatusFailure as error:
        if error.reason != "NotFound":
            raise
        text = f'error from server (NotFound): pods "{name}" not found in namespace "{namespace}"'
        raise PodrunError(text) from None


def _sources(pod: dict[str, Any], namespace: str, container: str, *, everyone: bool) -> list[Source]:
    name = pod["metadata"]["name"]
    path = f"{resources.POD.path(namespace, name)}/log"
    chosen = containers.names(pod) if everyone else [containers.choose(pod, container)]
    return [Source(name, one, path) for one in chosen]


def _prefixes(sources: Sequence[Source]) -> dict[Source, bytes]:
    """What stands before every line of each, in a colour of its own on a terminal."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    found = {}
    for number, source in enumerate(sources):
        text = f"[pod/{source.pod}/{source.container}]"
        colour = COLOURS[number % len(COLOURS)]
        found[source] = (f"\x1b[{colour}m{text}\x1b[0m " if coloured else f"{text} ").encode()
    return found


class _Reader:
    def __init__(self, client: Client, query: Query, prefixes: dict[Source, bytes], ignore_errors: bool) -> None:
        self._client = client
        self._query = query
        self._prefixes = prefixes
        self._ignore_errors = ignore_errors

    def copy(self, source: Source) -> None:
        stream = self._open(source)
        if stream is None:
            return
        out, prefix = sys.stdout.buffer, self._prefixes.get(source, b"")
        with stream:
            if prefix:
                for line in stream.lines():
                    out.write(prefix + line + b"\n")
                    out.flush()
                return
            while piece := stream.read():
                out.write(piece)
                out.flush()

    def _open(self, source: Source) -> Stream | None:
        """None: it can't be had, which was said."""
        try:
            return self._client.open("GET", source.path, {**self._query, "container": source.container})
        except StatusFailure as error:
            if not self._ignore_errors:
                raise
            sys.stdout.flush()
            print(error.message, file=sys.stderr)
            return None

    def all_at_once(self, sources: Sequence[Source]) -> None:
        """Whole lines of each, in the order in which they come."""
        poll = select.poll()
        open_: dict[int, tuple[Stream, bytes, bytes]] = {}
        for source in sources:
            if stream := self._open(source):
                open_[stream.fileno()] = (stream, self._prefixes.get(source, b""), b"")
                poll.register(stream.fileno(), select.POLLIN)
        ready = list(open_)  # At first all: a stream may hold what came together with its head.
        while open_:
            for descriptor in ready:
                stream, before, pending = open_[descriptor]
                piece = stream.read()
                if not piece:
                    poll.unregister(descriptor)
                    stream.close()
                    del open_[descriptor]
                    lines = [pending] if pending else []
                else:
                    *lines, pending = (pending + piece).split(b"\n")
                    open_[descriptor] = (stream, before, pending)
                sys.stdout.buffer.write(b"".join(before + line + b"\n" for line in lines))
                sys.stdout.buffer.flush()
            ready = [descriptor for descriptor, _ in poll.poll()] if open_ else []
