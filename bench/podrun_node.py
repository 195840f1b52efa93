"""podrun as it is measured: an instance of its own, asked by HTTP over its socket or as a command."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.peers import run
from tests.pod.instance import COMMAND, NAMESPACE, Instance

Json = dict[str, Any]


class Node(Instance):
    asked = 0  # CLOCK_MONOTONIC, nanoseconds, of the last request that was waited for

    def __enter__(self) -> Node:
        super().__enter__()
        return self

    def import_image(self, root: Path, name: str) -> None:
        body = json.dumps({"path": str(root), "name": name, "env": ["PATH=/bin"]}).encode()
        self.request("POST", "/podrun/v1/images/import", body)

    def timed_command(self, *words: str | Path) -> float:
        """Milliseconds of a whole `podrun WORDS`."""
        return run([COMMAND, *words], self.environment).milliseconds

    def start_pods(self, manifest: Path, count: int = 1) -> float:
        """Milliseconds from the request until a watch has told that all pods of the file are Ready."""
        ready: set[str] = set()

        def all_ready(event: Json) -> bool:
            if is_ready(event["object"]):
                ready.add(event["object"]["metadata"]["name"])
            return len(ready) == count

        apply = ("PATCH", "/podrun/v1/apply", manifest.read_bytes(), "application/apply-patch+yaml")
        return self._until(all_ready, *apply)

    def delete_pod(self, name: str) -> float:
        """Milliseconds from the request until a watch has told that the pod is gone."""
        path = f"{NAMESPACE}/pods/{name}"

        def gone(event: Json) -> bool:
            return bool(event["type"] == "DELETED" and event["object"]["metadata"]["name"] == name)

        return self._until(gone, "DELETE", path)

    def _until(self, seen: Callable[[Json], bool], *request: Any) -> float:
        with self.watching() as events:
            self.asked = asked = time.monotonic_ns()
            self.request(*request)
            for event in events:
                if seen(event):
                    return (time.monotonic_ns() - asked) / 1e6
        raise RuntimeError("the watch has ended")

    @contextlib.contextmanager
    def watching(self) -> Iterator[Iterator[Json]]:
        """All changes of pods from now on."""
        version = self.request("GET", f"{NAMESPACE}/pods")["metadata"]["resourceVersion"]
        with socket.socket(socket.AF_UNIX) as connection:
            directory = os.open(self.paths.run_dir, os.O_PATH | os.O_CLOEXEC)
            connection.connect(f"/proc/self/fd/{directory}/podrun.sock")
            os.close(directory)
            path = f"{NAMESPACE}/pods?watch=1&resourceVersion={version}"
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            with connection.makefile("rb") as stream:
                while stream.readline().strip():
                    pass
                yield (json.loads(line) for line in stream)


def is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
