"""What exec, attach, run and debug share about sessions on the user's terminal."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

from podrun.cli import containers, detaching, resources
from podrun.cli.client import Client, Query
from podrun.errors import PodrunError

NO_TERMINAL = "Unable to use a TTY - input is not a terminal or the right kind of file"
RECORDED = (
    "All commands and output from this session will be recorded in container logs, "
    "including credentials and sensitive information passed through the command prompt."
)
PROMPT = "If you don't see a command prompt, try pressing enter."
_SHIM_STREAMS = {"X-Podrun-Stream": "shim"}


def wants_raw(*, stdin: bool, tty: bool, quiet: bool = False) -> bool:
    """Whether it is on our terminal, as kubectl decides it (StreamOptions.SetupTTY): -t counts with -i alone."""
    if not (stdin and tty):
        return False
    if os.isatty(0):
        return True
    if not quiet:
        print(NO_TERMINAL, file=sys.stderr)
    return False


class Attach(NamedTuple):
    """How to attach to a container that runs: kubectl's AttachOptions."""

    stdin: bool
    tty: bool
    quiet: bool = False
    detach_keys: str = detaching.DEFAULT
    earlier: bool = False  # show first what was logged before

    def run(self, client: Client, pod: dict[str, Any], container: str) -> None:
        """Until the container ends or the user leaves. PodrunError."""
        from podrun.cli import streams

        keys = detaching.parse(self.detach_keys)
        raw = self._wants_raw(pod, container)
        meta = pod["metadata"]
        path = f"{resources.POD.path(meta['namespace'], meta['name'])}/attach"
        query: Query = {"container": container, "stdin": self.stdin, "stdout": True, "stderr": not raw, "tty": raw}
        ticket = client.ask("POST", path, query, headers=_SHIM_STREAMS)
        self._say(RECORDED)
        self._say(PROMPT)

        def show(logged: int) -> None:
            if logged:
                show_log(client, pod, container, limit=logged)

        wanted = streams.Wanted(
            self.stdin, raw, keys if raw else b"", redraw=True, earlier=show if self.earlier else None
        )
        is_left = streams.run(ticket["socket"], ticket["token"], wanted) is None
        if raw and not self.quiet and (is_left or pod["spec"]["restartPolicy"] == "Always"):
            print(_ended(pod, container))

    def run_or_log(self, client: Client, pod: dict[str, Any], container: str) -> None:
        """The same; where it can't be attached to, as when it has ended meanwhile, its log. PodrunError."""
        try:
            self.run(client, pod, container)
        except PodrunError as error:
            meta = pod["metadata"]
            now = client.get(resources.POD.path(meta["namespace"], meta["name"]))
            if "terminated" not in containers.state(now, container):
                text = f"warning: couldn't attach to pod/{meta['name']}, falling back to its logs: {error.message}"
                print(text, file=sys.stderr)
            show_log(client, pod, container)

    def _wants_raw(self, pod: dict[str, Any], container: str) -> bool:
        has_terminal = bool(containers.spec(pod, container).get("tty"))
        if self.tty and not has_terminal:
            self._say(f"error: Unable to use a TTY - container {container} did not allocate one")
        return wants_raw(stdin=self.stdin, tty=has_terminal, quiet=self.quiet)

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr)


def show_log(client: Client, pod: dict[str, Any], container: str, *, limit: int = 0) -> None:
    """The text of a container's log on stdout, `limit` bytes of it unless 0."""
    meta = pod["metadata"]
    path = f"{resources.POD.path(meta['namespace'], meta['name'])}/log"
    with client.open("GET", path, {"container": container, "limitBytes": limit or None}) as stream:
        while piece := stream.read():
            sys.stdout.buffer.write(piece)
    sys.stdout.flush()


def _ended(pod: dict[str, Any], container: str) -> str:
    meta = pod["metadata"]
    again = f"'podrun attach {meta['name']} -c {container} -n {meta['namespace']} -i -t'"
    if any(one["name"] == container for one in pod["spec"].get("ephemeralContainers") or []):
        return (
            "Session ended, the ephemeral container will not be restarted "
            f"but may be reattached using {again} if it is still running"
        )
    return f"Session ended, resume using {again} command when the pod is running"
