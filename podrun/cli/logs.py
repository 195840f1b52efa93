"""`podrun logs`: text of one container's log, or of several, one after the other or all at once with -f."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from podrun.cli import command as shared
from podrun.cli import containers, interrupts, resources
from podrun.cli.client import Client, Query
from podrun.cli.failures import StatusFailure
from podrun.cli.log_stream import LogStream
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
    if since < 0:
        raise PodrunError("--since must be greater than 0")
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


class _Lines:
    """Text that comes in pieces, as whole lines with a prefix."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._pending = b""

    def take(self, text: bytes) -> bytes:
        *lines, self._pending = (self._pending + text).split(b"\n")
        return b"".join(self._prefix + line + b"\n" for line in lines)

    def rest(self) -> bytes:
        return self._prefix + self._pending + b"\n" if self._pending else b""


class _Reader:
    def __init__(self, client: Client, query: Query, prefixes: dict[Source, bytes], ignore_errors: bool) -> None:
        self._client = client
        self._query = query
        self._prefixes = prefixes
        self._ignore_errors = ignore_errors

    def copy(self, source: Source) -> None:
        log = self._open(source)
        if log is None:
            return
        out, lines = sys.stdout.buffer, _Lines(prefix) if (prefix := self._prefixes.get(source)) else None
        while not log.ended:
            if text := self._read(log):
                out.write(text if lines is None else lines.take(text))
                out.flush()
        if lines is not None:
            out.write(lines.rest())
        log.close()

    def _open(self, source: Source) -> LogStream | None:
        """None: it can't be had, which was said."""
        try:
            return LogStream(self._client, source.path, {**self._query, "container": source.container})
        except StatusFailure as error:
            self._excuse(error)
            return None

    def _read(self, log: LogStream) -> bytes:
        """Of one that can't be had any more nothing, after saying so."""
        try:
            return log.read()
        except StatusFailure as error:
            self._excuse(error)
            log.ended = True
            return b""

    def _excuse(self, error: StatusFailure) -> None:
        if not self._ignore_errors:
            raise error
        sys.stdout.flush()
        print(error.message, file=sys.stderr)

    def all_at_once(self, sources: Sequence[Source]) -> None:
        """Whole lines of each, in the order in which they come."""
        out = sys.stdout.buffer
        open_ = [(log, _Lines(self._prefixes.get(source, b""))) for source in sources if (log := self._open(source))]
        while open_:
            poll = select.poll()
            for log, _ in open_:
                poll.register(log, select.POLLIN)
            interrupts.watch(poll)
            holding = {log.fileno() for log, _ in open_ if log.holds_bytes}
            ready = holding | {descriptor for descriptor, _ in poll.poll(0 if holding else None)}
            interrupts.take_note()
            for log, lines in [one for one in open_ if one[0].fileno() in ready]:
                out.write(lines.take(self._read(log)))
                if log.ended:
                    out.write(lines.rest())
                    log.close()
            open_ = [one for one in open_ if not one[0].ended]
            out.flush()
