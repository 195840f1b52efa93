"""Files of variables that a program left in a volume (fileKeyRef): read without following it anywhere else.

The format is the strict one of KEP-3721: `NAME='value'`, where a value may go over several lines.
"""

from __future__ import annotations

import errno
import os
import stat

from podrun.errors import PodrunError
from podrun.linux.openat2 import Resolve, openat2

LARGEST = 1 << 20  # bytes of a file


def read(volume: str, path: str) -> str | None:
    """The file's text; None where there is none. Raises OSError; PodrunError: it is no file of variables."""
    directory = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # O_NONBLOCK: a pipe that nobody writes to must not hold the kubelet.
        descriptor = openat2(directory, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, resolve=Resolve.IN_ROOT)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PodrunError("not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise PodrunError(f"larger than {LARGEST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise PodrunError("not UTF-8") from None


def value_of(text: str, key: str) -> str | None:
    """The first value of `key`, None where it has none. PodrunError: a line before it is not of the format."""
    lines = enumerate(text.split("\n"), 1)
    for number, line in lines:
        line = line.removesuffix("\r").lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, equals, rest = line.partition("=")
        if not equals:
            raise _invalid(number, "missing '='")
        if not name.strip(" \t"):
            raise _invalid(number, "empty variable name")
        if name != name.rstrip(" \t"):
            raise _invalid(number, "whitespace before '=' is not allowed")
        value = ""
        if not rest.startswith((" ", "\t")):
            if not rest.startswith("'"):
                raise _invalid(number, "value must be enclosed in single quotes")
            value, number, rest = _quoted(rest[1:], number, lines)
            rest = rest.lstrip(" \t")
            if rest and not rest.startswith("#"):
                raise _invalid(number, "unexpected content after closing quote")
        if name == key:
            return value
    return None


def _quoted(rest: str, number: int, lines: enumerate[str]) -> tuple[str, int, str]:
    """A value that may go on over the following lines, the line that it ends in, and what is behind it there."""
    start, value = number, ""
    while "'" not in rest:
        value += rest + "\n"
        number, rest = next(lines, (-1, ""))
        if number < 0:
            text = f"invalid environment variable format starting at line {start}: unclosed single quote"
            raise PodrunError(text)
        rest = rest.removesuffix("\r")
    inside, _, behind = rest.partition("'")
    return value + inside, number, behind


def _invalid(number: int, why: str) -> PodrunError:
    return PodrunError(f"invalid environment variable format at line {number}: {why}")
