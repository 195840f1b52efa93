"""What others do for the kubelet: skopeo asks for a manifest or logs in, a process of ours fetches an image."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence

import msgspec

from podrun.errors import PodrunError
from podrun.image import manifests
from podrun.registry import skopeo
from podrun.registry.messages import Failed, Job, Progress, Report
from podrun.registry.skopeo import Complaint, Source

ANSWER_LIMIT = 120.0  # seconds for a registry to hand out a manifest
STALL_LIMIT = 300.0  # seconds without a byte after which a fetch is given up, as containerd does
END_LIMIT = 5.0  # seconds for a fetch to clean up after itself


class PullError(PodrunError):
    """An image could not be had. `is_refused`: another credential might do; `is_unavailable`: the registry is down."""

    def __init__(
        self, reason: str, hint: str | None = None, *, refused: bool = False, unavailable: bool = False
    ) -> None:
        super().__init__(reason, hint)
        self.is_refused = refused
        self.is_unavailable = unavailable


async def manifest(source: Source, version: str) -> bytes:
    """The raw manifest of `:tag` or `@digest`. PullError."""
    output = await _skopeo(skopeo.read_manifest(source, version), f"{source.repository}{version}")
    if len(output) > manifests.LONGEST:
        raise PullError(f"its manifest is longer than {manifests.LONGEST} bytes")
    return output


async def log_in(registry: str, username: str, password: str, auth_file: str, *, is_secure: bool) -> None:
    """Keeps the password in `auth_file` when the registry takes it. PullError."""
    command = skopeo.log_in(registry, username, auth_file, is_secure=is_secure)
    await _skopeo(command, registry, password.encode())


async def log_out(registry: str, auth_file: str) -> None:
    """Takes the registry's password out of `auth_file`. PullError."""
    await _skopeo(skopeo.log_out(registry, auth_file), registry)


async def fetch(job: Job, on_progress: Callable[[Progress], None]) -> None:
    """Carries the job out in a process of its own, which ends when this is cancelled. PullError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "podrun.registry.transfer"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=skopeo.environment(os.environ),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(job))
            process.stdin.close()
        last = await _follow(process.stdout, on_progress)
    finally:
        await _end(process)
    if isinstance(last, Failed):
        raise PullError(last.reason, last.hint, refused=last.is_refused, unavailable=last.is_unavailable)
    if last is None or isinstance(last, Progress):
        raise PullError("the process that fetched it ended unexpectedly")


async def _follow(reports: asyncio.StreamReader, on_progress: Callable[[Progress], None]) -> Report | None:
    """The last report."""
    last: Report | None = None
    while True:
        try:
            line = await asyncio.wait_for(reports.readline(), STALL_LIMIT)
        except TimeoutError:
            return Failed(f"no progress for {STALL_LIMIT:.0f} seconds")
        if not line:
            return last
        last = msgspec.json.decode(line, type=Report)
        if isinstance(last, Progress):
            on_progress(last)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Asks it to clean up and end, where it has not ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None and not (process.stdout and process.stdout.at_eof()):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_LIMIT)
        except TimeoutError:
            process.kill()
            await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise


async def _skopeo(command: Sequence[str], subject: str, stdin: bytes = b"") -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=skopeo.environment(os.environ),
        )
    except FileNotFoundError as error:
        raise PullError("there is no skopeo program", hint="apt install skopeo") from error
    try:
        output, errors = await asyncio.wait_for(process.communicate(stdin), ANSWER_LIMIT)
    except TimeoutError as error:
        raise PullError(f"the registry did not answer within {ANSWER_LIMIT:.0f} seconds") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        found: Complaint = skopeo.complaint(errors.decode(errors="replace"), subject)
        raise PullError(found.reason, refused=found.is_refused, unavailable=found.is_unavailable)
    return output
