"""The files that -f names: found, read, and refused before they are sent if they can't be manifests."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from podrun.errors import PodrunError

LIMIT = 3 * 1024 * 1024
"""Bytes that the server takes in one request."""

DOWNLOADING = 30.0
"""Seconds without a byte after which a server is given up."""

SUFFIXES = (".json", ".yaml", ".yml")
STDIN = "-"


class Manifest(NamedTuple):
    """`source` is what the user calls it."""

    source: str
    content: bytes


def read(filenames: Sequence[str], *, recursive: bool) -> Iterator[Manifest]:
    """The named files, and those in named directories in the order of their names.

    PodrunError: no such path, not readable, too large, a directory without manifests.
    """
    if filenames.count(STDIN) > 1:
        raise PodrunError("the - of standard input can be given only once")
    for name in filenames:
        if name == STDIN:
            yield Manifest("STDIN", _bounded(sys.stdin.buffer.read(LIMIT + 1), "STDIN"))
        elif name.startswith(("http://", "https://")):
            yield Manifest(name, _bounded(_downloaded(name), name))
        else:
            for path in _files(_plain(name), recursive):
                yield Manifest(path, _content(path))


def _downloaded(address: str) -> bytes:
    """PodrunError: no answer, or an answer that is no success."""
    import http.client
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(address, timeout=DOWNLOADING) as answer:
            return bytes(answer.read(LIMIT + 1))
    except urllib.error.HTTPError as error:
        why = f"server reported {error.code} {error.reason}, status code={error.code}"
        raise PodrunError(f'unable to read URL "{address}", {why}') from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None)
        why = reason if isinstance(reason, str) else _why(reason if isinstance(reason, Exception) else error)
        raise PodrunError(f'unable to read URL "{address}", {why}') from None


def _plain(path: str) -> str:
    """`path` without slashes and dots that say nothing, but with its `..`, which may follow a link."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(parts) or "."


def _files(path: str, recursive: bool) -> list[str]:
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise PodrunError(f'the path "{path}" does not exist') from None
    except (OSError, ValueError) as error:
        raise PodrunError(f'the path "{path}" cannot be accessed: {_why(error)}') from error
    if not is_directory:
        return [path]
    found = sorted(_below(path, recursive), key=lambda one: one.split("/"))
    if not found:
        raise PodrunError(f"error reading [{path}]: recognized file extensions are [{' '.join(SUFFIXES)}]")
    return found


def _below(directory: str, recursive: bool) -> Iterator[str]:
    for parent, directories, names in os.walk(directory):
        yield from (os.path.join(parent, name) for name in names if name.endswith(SUFFIXES))
        if not recursive:
            directories.clear()


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return _bounded(file.read(LIMIT + 1), path)
    except OSError as error:
        raise PodrunError(f'cannot read "{path}": {_why(error)}') from error


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _bounded(content: bytes, source: str) -> bytes:
    if len(content) > LIMIT:
        raise PodrunError(f'the manifest "{source}" is too large: the limit is {LIMIT} bytes')
    return content
