"""Layers unpacked side by side, each by a process of its own: forked, so the caller must have one thread only."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podrun.image import layers
from podrun.image.errors import BadImage
from podrun.image.layers import Layers
from podrun.linux import prctl


class _Unpacked(msgspec.Struct, tag=True):
    unannounced: dict[int, str]


class _Spoilt(msgspec.Struct, tag=True):
    """A BadImage, or an OSError where `errno` is not 0."""

    reason: str
    hint: str | None = None
    errno: int = 0


@dataclass(frozen=True, slots=True)
class Unpacking:
    """One layer on its way. `pidfd` becomes readable when it is done."""

    pid: int
    pidfd: int
    staged: Path
    verdict: int  # a memory file: a disk may be full


def start(unpacked: Layers, blob: Path, diff_id: str) -> Unpacking:
    """Begins to unpack a blob. `finish` or `abandon` must follow."""
    staged = unpacked.new_directory()
    verdict = os.memfd_create("verdict")
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            prctl.set_parent_death_signal(signal.SIGKILL)
            if os.getppid() == parent:
                os.write(verdict, msgspec.json.encode(_unpack(blob, diff_id, staged)))
        finally:
            os._exit(0)
    return Unpacking(pid, os.pidfd_open(pid), staged, verdict)


def finish(unpacking: Unpacking) -> dict[int, str]:
    """Waits for the end; the directories that the layer did not announce. BadImage, OSError."""
    os.waitpid(unpacking.pid, 0)
    os.close(unpacking.pidfd)
    try:
        with open(unpacking.verdict, "rb") as verdict:
            verdict.seek(0)
            told = msgspec.json.decode(verdict.read(), type=_Unpacked | _Spoilt)
    except msgspec.MsgspecError as error:
        raise BadImage("a layer could not be unpacked: the process that did it was killed") from error
    if isinstance(told, _Unpacked):
        return {inode: os.fsdecode(path.encode("utf-8", "surrogateescape")) for inode, path in told.unannounced.items()}
    if told.errno:
        raise OSError(told.errno, told.reason)
    raise BadImage(told.reason, told.hint)


def abandon(unpacking: Unpacking) -> None:
    """Ends it at once."""
    os.kill(unpacking.pid, signal.SIGKILL)
    os.waitpid(unpacking.pid, 0)
    os.close(unpacking.pidfd)
    os.close(unpacking.verdict)


def _unpack(blob: Path, diff_id: str, staged: Path) -> _Unpacked | _Spoilt:
    try:
        return _Unpacked(layers.unpack_tar(blob, diff_id, staged))
    except BadImage as error:
        return _Spoilt(str(error), error.hint)
    except OSError as error:
        return _Spoilt(error.strerror or str(error), errno=error.errno or 0)
