"""`.../pods/{name}/log`: the text of a container's log, to the end or onwards (pkg/kubelet/kuberuntime/logs)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from podrun.api import field_errors, objects, status_errors, times
from podrun.linux import inotify
from podrun.server import containers, context, log_files, resources
from podrun.server.log_entries import Formatter, Selection
from podrun.store import ExpiredError, Store


@dataclass(frozen=True, slots=True)
class Options:
    """PodLogOptions of core/v1."""

    selection: Selection
    previous: bool
    follow: bool
    tail: int | None


async def read_log(request: web.Request) -> web.StreamResponse:
    server = context.of(request)
    pod = resources.existing_pod(request)
    options = _options(request, server.clock())
    container = containers.choose(pod, request.query.get("container", ""))
    attempt = containers.logged_attempt(pod, container, previous=options.previous)
    directory = server.agent.log_dir(pod, container)
    if options.previous:
        attempt = _older(directory, attempt)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    with server.streaming(), log_files.RunLog(directory, attempt) as log:
        if options.tail is not None:
            log.skip_to_last(options.tail)
        await response.prepare(request)
        formatter = Formatter(options.selection)
        await _send(response, log, formatter)
        if options.follow and not options.previous:
            run = _Run(server.store, pod, container, attempt, directory)
            await _follow(response, log, formatter, run)
            if context.boolean(request, "followRestarts"):
                await _follow_restarts(response, formatter, run)
    await response.write_eof()
    return response


def _options(request: web.Request, now: float) -> Options:
    def number(name: str, least: int) -> int | None:
        return context.integer(request, name, options="PodLogOptions", least=least)

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
    selection = Selection(since, context.boolean(request, "timestamps"), number("limitBytes", 1))
    previous, follow = context.boolean(request, "previous"), context.boolean(request, "follow")
    return Options(selection, previous, follow, number("tailLines", 0))


def _older(directory: Path, attempt: int) -> int:
    """The last run up to `attempt` that has a log: runs that could not be started have none."""
    return max((one for one in log_files.attempts(directory) if one <= attempt), default=attempt)


async def _send(response: web.StreamResponse, log: log_files.RunLog, formatter: Formatter) -> None:
    """Everything that is there, as fast as the client takes it."""
    while not formatter.is_full and (piece := log.read()):
        if text := formatter.feed(piece):
            await response.write(text)


@dataclass(frozen=True, slots=True)
class _Run:
    store: Store
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


async def _follow(response: web.StreamResponse, log: log_files.RunLog, formatter: Formatter, run: _Run) -> None:
    wakeup = asyncio.Event()
    with _changes(run.directory, wakeup):
        watcher = asyncio.ensure_future(_wake_at_end(run, wakeup))
        try:
            while not formatter.is_full:
                wakeup.clear()
                # Asked before reading: what was written until the end is read below.
                over = run.is_over()
                await _send(response, log, formatter)
                if over:
                    return
                await wakeup.wait()
        finally:
            watcher.cancel()


async def _follow_restarts(response: web.StreamResponse, formatter: Formatter, run: _Run) -> None:
    """Every later run of the container too, as kubelets do not: until none follows, or the pod is deleted."""
    while not formatter.is_full and (attempt := await _next_attempt(run)) is not None:
        run = replace(run, attempt=attempt)
        with log_files.RunLog(run.directory, attempt) as log:
            await _follow(response, log, formatter, run)


async def _next_attempt(run: _Run) -> int | None:
    """None: there will be none."""
    while (pod := run.newest_pod()) is not None and containers.runs_again(pod, run.container):
        if (attempt := containers.newer_attempt(pod, run.container, run.attempt)) is not None:
            return attempt
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


@contextlib.contextmanager
def _changes(directory: Path, wakeup: asyncio.Event) -> Iterator[None]:
    """Sets `wakeup` whenever a file in the directory is written to, made or renamed."""
    loop = asyncio.get_running_loop()
    fd = inotify.inotify_init1()
    try:
        mask = inotify.Mask.MODIFY | inotify.Mask.CREATE | inotify.Mask.MOVED_TO
        # Without a directory there is no log: only the end of the run is waited for.
        with contextlib.suppress(FileNotFoundError, OSError):
            inotify.inotify_add_watch(fd, directory, mask)

        def changed() -> None:
            for _ in inotify.read_events(fd):
                wakeup.set()

        loop.add_reader(fd, changed)
        try:
            yield
        finally:
            loop.remove_reader(fd)
    finally:
        os.close(fd)
