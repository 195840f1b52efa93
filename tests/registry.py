"""A real registry (Debian's docker-registry) on loopback, for tests: with a password or TLS, and a cable to cut."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
from pathlib import Path

from tests import wait

USER, PASSWORD = "joe", "geheim"
# htpasswd -Bbn joe geheim
HTPASSWD = "joe:$2y$05$F7HvxGQoPnEq4r2C5E1Jfe0D33o6i0kaLeSfdNaG2GlXMZCBMI1FG"


class Registry:
    """Use `with`. `address` is host and port, as in an image reference."""

    def __init__(self, directory: Path, *, password: bool = False, tls: bool = False) -> None:
        self.directory = directory
        self.directory.mkdir()
        self._claim = socket.socket()  # keeps the port from others while the registry is not there
        self._claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # but not from a listener that sets it too
        self._claim.bind(("127.0.0.1", 0))
        self.port = int(self._claim.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self._password = password
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Registry:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._claim.close()

    def start(self) -> None:
        settings = self.directory / "config.yml"
        settings.write_text(json.dumps(self._settings()))
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait.wait_until(self._serves, "the registry to serve", 20)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def push(self, layout: Path, name: str, source: str = "") -> str:
        """An image of an OCI layout (docker.io/library/NAME, if no other is said) becomes NAME here: its reference."""
        reference = f"{self.address}/{name}"
        credentials = [f"--dest-creds={USER}:{PASSWORD}"] if self._password else []
        named = source or f"docker.io/library/{name}"
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--dest-tls-verify=false", *credentials]
        subprocess.run([*command, f"oci:{layout}:{named}", f"docker://{reference}"], check=True)
        return reference

    @property
    def requests(self) -> list[str]:
        """`METHOD PATH` of all that was asked so far."""
        lines = (self.directory / "log").read_text(errors="replace").splitlines()
        return [line.split('"')[1].rsplit(" ", 1)[0] for line in lines if '" ' in line and "HTTP/1" in line]

    def blob_path(self, digest: str) -> Path:
        plain = digest.removeprefix("sha256:")
        return self.directory / "data/docker/registry/v2/blobs/sha256" / plain[:2] / plain / "data"

    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}},
        }
        http: dict[str, object] = {"addr": self.address}
        if self._tls:
            http["tls"] = {"certificate": str(self._certificate()), "key": str(self.directory / "key.pem")}
        if self._password:
            (self.directory / "htpasswd").write_text(HTPASSWD + "\n")
            settings["auth"] = {"htpasswd": {"realm": "test", "path": str(self.directory / "htpasswd")}}
        return settings | {"http": http}

    def _certificate(self) -> Path:
        certificate = self.directory / "certificate.pem"
        key = ["-keyout", self.directory / "key.pem", "-out", certificate, "-addext", "subjectAltName=IP:127.0.0.1"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "2", *key]
        subprocess.run(command, check=True, capture_output=True)
        return certificate

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Cable:
    """A TCP proxy in front of a registry. After `limit` bytes of answers a connection is cut, or stalls."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.limit: int | None = None
        self.stalls = False
        self.halted = threading.Event()  # a connection has reached the limit
        self._end_reading, self._end_writing = os.pipe()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Cable:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end_writing)
        self._listener.close()
        for thread in self._threads:
            thread.join()
        os.close(self._end_reading)

    def _run(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._end_reading], [], [])
            if self._end_reading in ready:
                return
            self._run(self._carry, self._listener.accept()[0])

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, contextlib.suppress(OSError):
            passed = 0
            while True:
                ready, _, _ = select.select([client, server, self._end_reading], [], [])
                if self._end_reading in ready:
                    return
                for source, sink in ((client, server), (server, client)):
                    if source in ready:
                        piece = source.recv(1 << 14)
                        if not piece:
                            return
                        sink.sendall(piece)
                        passed += len(piece) if source is server else 0
                if self.limit is not None and passed > self.limit:
                    self.halted.set()
                    if self.stalls:
                        select.select([client, self._end_reading], [], [])
                    return
