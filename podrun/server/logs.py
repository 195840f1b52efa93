"""`.../pods/{name}/log`: the text of a container's log, to the end or onwards (pkg/kubelet/kuberuntime/logs)."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from podrun.api import field_errors, objects, status_errors, times
from podrun.server import containers, context, log_files, log_frames, resources
from podrun.server.log_changes import LogChanges
from podrun.server.log_entries import Formatter, Selection
from podrun.server.log_frames import CONTENT_TYPE, Place
from podrun.store import ExpiredError, Store


@dataclass(frozen=True, slots=True)
class Options:
    """PodLogOptions of core/v1."""

    selection: Selection
    previous: bool
    follow: bool
    tail: int | None
    framed: bool  # podrun's own: with places (log_frames.py), from one of which
    place: Place | None  # the reading may go on


async def read_log(request: web.Request) -> web.StreamResponse:
    server = context.of(request)
    pod = resources.existing_pod(request)
    options = _options(request, server.clock())
    container = containers.choose(pod, request.query.get("container", ""))
    directory = server.agent.log_dir(pod, container)
    place = options.place
    if place is not None:
        if place.uid != pod.metadata.uid:
            raise status_errors.not_found("pods", pod.metadata.name)
        attempt = place.attempt
    else:
        attempt = containers.logged_attempt(pod, container, previous=options.previous)
        if options.previous:
            attempt = _older(directory, attempt)
    run = _Run(server.store, server.log_changes, pod, container, attempt, directory)
    response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE if options.framed else "text/plain"})
    with server.streaming(), log_files.RunLog(directory, attempt) as log:
        if place is not None and place.mark is not None:
            log.go_to(place.mark)
        elif options.tail is not None:
            log.skip_to_last(options.tail)
        await response.prepare(request)
        output = _Output(response, Formatter(options.selection, in_line=bool(place and place.in_line)), options.framed)
        await output.begin(run, log)
        follows = options.follow and not options.previous
        await output.send(run, log, onward=follows)
        if follows:
            await _follow(output, log, run)
            if context.boolean(request, "followRestarts"):
                await _follow_restarts(output, run)
    await output.end()
    return response


def _options(request: web.Request, now: float) -> Options:
    def number(name: str, least: int) -> int | None:
        return context.integer(request, name, options="PodLogOptions", least=least)

    framed, place = context.boolean(request, "framed"), None
    if written := request.query.get("place", ""):
        try:
            place = log_frames.read(written)
        except ValueError as error:
            raise status_errors.bad_request(f"unable to decode query: {error}") from None
    seconds = number("sinceSeconds", 1)
    since = None if seconds is None else now - seconds
    if text := request.query.get("sinceTime"):
        if seconds is not None:
            wrong = field_errors.forbidden(
                "sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified"
            )
            raise status_errors.invalid("PodLogOptions", "", [wrong])
        try:
            since = times.unix_seconds(text)
        except ValueError as error:
            raise status_errors.bad_request(f"unable to decode query: {error}") from None
    if place is not None and place.mark is not None:
        since = None  # what comes after a place was late enough already
    selection = Selection(since, context.boolean(request, "timestamps"), number("limitBytes", 1))
    previous, follow = context.boolean(request, "previous"), context.boolean(request, "follow")
    return Options(selection, previous, follow, number("tailLines", 0), framed, place)


def _older(directory: Path, attempt: int) -> int:
    """The last run up to `attempt` that has a log: runs that could not be started have none."""
    return max((one for one in log_files.attempts(directory) if one <= attempt), default=attempt)


class _Output:
    """What the client gets: text, or frames of it."""

    def __init__(self, response: web.StreamResponse, formatter: Formatter, framed: bool) -> None:
        self._response = response
        self._formatter = formatter
        self._framed = framed

    @property
    def is_full(self) -> bool:
        return self._formatter.is_full

    async def begin(self, run: _Run, log: log_files.RunLog) -> None:
        """The client knows where it is before there is any text."""
        if self._framed:
            await self._write(b"", run, log)

    async def send(self, run: _Run, log: log_files.RunLog, *, onward: bool = True) -> None:
        """Everything that is there, as fast as the client takes it. Not `onward`: a container that writes faster than
        that is not followed for ever."""
        while not self._formatter.is_full and (piece := log.read(onward=onward)):
            text = self._formatter.feed(piece)
            if text or self._framed:
                await self._write(text, run, log)

    async def end(self) -> None:
        if self._framed:
            await self._response.write(log_frames.END)
        await self._response.write_eof()

    async def _write(self, text: bytes, run: _Run, log: log_files.RunLog) -> None:
        if self._framed:
            mark = log.mark(self._formatter.pending)
            text = log_frames.frame(text, Place(run.pod.metadata.uid, run.attempt, mark, self._formatter.in_line))
        await self._response.write(text)


@dataclass(frozen=True, slots=True)
class _Run:
    store: Store
    changes: LogChanges
    pod: objects.Pod
    container: str
    attempt: int
    directory: Path

    def newest_pod(self) -> objects.Pod | None:
        metadata = self.pod.metadata
        now = self.store.get(objects.Pod, metadata.namespace, metadata.name)
        return now if now is not None and now.metadata.uid == metadata.uid else None

    def is_over(self) -> bool:
        return containers.is_over(self.newest_pod(), self.container, self.attempt)


async def _follow(output: _Output, log: log_files.RunLog, run: _Run) -> None:
    wakeup = asyncio.Event()
    with run.changes.told(run.directory, wakeup):
        watcher = asyncio.ensure_future(_wake_at_end(run, wakeup))
        try:
            while not output.is_full:
                wakeup.clear()
                # Asked before reading: what was written until the end is read below.
                over = run.is_over()
                await output.send(run, log)
                if over:
                    return
                await wakeup.wait()
        finally:
            watcher.cancel()


async def _follow_restarts(output: _Output, run: _Run) -> None:
    """Every later run of the container too, as kubelets do not: until none follows, or the pod is deleted."""
    while not output.is_full and (attempt := await _next_attempt(run)) is not None:
        run = replace(run, attempt=attempt)
        with log_files.RunLog(run.directory, attempt) as log:
            await output.begin(run, log)
            await _follow(output, log, run)


async def _next_attempt(run: _Run) -> int | None:
    """None: there will be none."""
    while (pod := run.newest_pod()) is not None:
        if (newest := containers.newer_attempt(pod, run.container, run.attempt)) is not None:
            return min(
                (one for one in log_files.attempts(run.directory) if run.attempt < one <= newest), default=newest
            )
        if not containers.runs_again(pod, run.container):
            return None
        with contextlib.suppress(ExpiredError), run.store.watch(objects.Pod, run.pod.metadata.namespace) as changes:
            async for change in changes:
                if change.object.metadata.uid == run.pod.metadata.uid and change.object != pod:
                    break
            else:
                return None  # The store is being closed.
    return None


async def _wake_at_end(run: _Run, wakeup: asyncio.Event) -> None:
    while not run.is_over():
        with contextlib.suppress(ExpiredError), run.store.watch(objects.Pod, run.pod.metadata.namespace) as changes:
            async for _ in changes:
                if run.is_over():
                    break
            else:
                return  # The store is being closed.
    wakeup.set()
