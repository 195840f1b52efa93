"""Writes podrun/shim/common_code.py anew: the functions that every shim runs, seen in some that start and stop pods.

`sudo .venv/bin/python -m bench.common_code`. The fork server is watched as in bench/traced.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

from bench.peers import IMAGE
from bench.podrun_node import Node
from bench.stage import SOURCES, pod_text
from bench.traced import Interpreter
from tests import names
from tests.images import make_busybox_root

HERE = Path(__file__).parent
TARGET = HERE.parent / "podrun" / "shim" / "common_code.py"
HEAD = '''"""The functions that every shim runs until its containers do, by module: see density.py.

Written by `sudo .venv/bin/python -m bench.common_code`. A name that is missing costs a page, and no more.
"""

from __future__ import annotations

COMMON_CODE = {
'''


def main() -> None:
    match sys.argv[1:]:
        case ["kubelet", path, *_]:
            _kubelet(path)
        case ["forks", path, *_]:
            _forks(path)
        case _:
            _write(_seen())


def _seen() -> list[str]:
    """Lines "MODULE NAME" of all functions that fork server and shims ran until their pods were Ready."""
    os.environ.setdefault(names.VARIABLE, names.new_suite())
    with tempfile.TemporaryDirectory(prefix="podrun-bench-", dir="/var/tmp") as directory:
        root = make_busybox_root(Path(directory) / "root")
        beacon = (HERE / f"{SOURCES[0]}.c", root / "bin" / SOURCES[0])
        subprocess.run(["gcc", "-Os", "-s", "-static", "-o", beacon[1], beacon[0]], check=True)
        pods = ("first", "second")
        manifest = Path(directory) / "pods.yaml"
        manifest.write_text("---\n".join(map(pod_text, pods)))
        seen = Path(directory) / "seen"
        with WatchedNode(Path(directory), seen) as node:
            node.import_image(root, IMAGE)
            node.start_pods(manifest, len(pods))
            lines = seen.read_text().splitlines()
            for pod in pods:
                node.delete_pod(pod)
    return lines


class WatchedNode(Node):
    def __init__(self, directory: Path, seen: Path) -> None:
        super().__init__(directory)
        self.kubelet_command = [sys.executable, "-I", "-m", "bench.common_code", "kubelet", str(seen)]


def _kubelet(path: str) -> None:
    from podrun.cli.main import main as command
    from podrun.kubelet import shims

    shims.sys = Interpreter(path, "bench.common_code")  # type: ignore[attr-defined]
    sys.exit(command(["kubelet"]))


def _forks(path: str) -> None:
    from podrun.container import newborn
    from podrun.shim import fork_server

    live, serve = newborn._live, fork_server.ForkServer.serve
    known: set[object] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code not in known:
            known.add(frame.f_code)
            with open(path, "a") as seen:
                seen.write(f"{frame.f_globals['__name__']} {frame.f_code.co_qualname}\n")

    def unwatched(*arguments: Any) -> Any:
        sys.setprofile(None)
        live(*arguments)

    def watched(server: fork_server.ForkServer) -> None:
        sys.setprofile(note)
        serve(server)

    newborn._live = unwatched  # type: ignore[assignment]
    fork_server.ForkServer.serve = watched  # type: ignore[method-assign]
    fork_server.main()


def _write(seen: list[str]) -> None:
    by_module: dict[str, set[str]] = defaultdict(set)
    for line in seen:
        module, name = line.split()
        if not module.startswith(("bench.", "__main__")):
            by_module[module].add(name)
    entries = []
    for module, functions in sorted(by_module.items()):
        words = textwrap.wrap(" ".join(sorted(functions)), 100, break_long_words=False, break_on_hyphens=False)
        lines = [f'        "{line}{" " if line is not words[-1] else ""}"\n' for line in words]
        entries.append(f'    "{module}": (\n{"".join(lines)}    ),\n')
    TARGET.write_text(HEAD + "".join(entries) + "}\n")
    subprocess.run([Path(sys.executable).with_name("ruff"), "format", "--quiet", TARGET], check=True)


if __name__ == "__main__":
    main()
