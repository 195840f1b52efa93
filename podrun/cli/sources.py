"""--from-literal, --from-file and --from-env-file: what goes into a ConfigMap or a Secret, with kubectl's rules."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from podrun.errors import PodrunError

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

Pair = tuple[str, bytes]


def read(
    what: str, name: str, literals: Sequence[str], files: Sequence[str], env_files: Sequence[str]
) -> dict[str, bytes]:
    """All values by key. `what` is ConfigMap or Secret, `name` its name, for messages. PodrunError."""
    if env_files and (literals or files):
        raise PodrunError("from-env-file cannot be combined with from-file or from-literal")
    found: dict[str, bytes] = {}
    pairs = [
        *(pair for literal in literals for pair in _literal(literal)),
        *(pair for file in files for pair in _file(file)),
        *(pair for file in env_files for pair in _env_file(file)),
    ]
    for key, value in pairs:
        if not _KEY.fullmatch(key) or key in (".", ".."):
            raise PodrunError(
                f'"{key}" is not a valid key name for a {what}: a valid config key must consist of alphanumeric '
                "characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for "
                "validation is '[-._a-zA-Z0-9]+')"
            )
        if key in found:
            raise PodrunError(
                f'cannot add key "{key}", another key by that name already exists in Data for {what} "{name}"'
            )
        found[key] = value
    return found


def _literal(text: str) -> Iterator[Pair]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise PodrunError(f"invalid literal source {text}, expected key=value")
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    yield key, value.encode()


def _file(text: str) -> Iterator[Pair]:
    key, equals, name = text.rpartition("=")
    if equals and "=" in key:
        raise PodrunError("key names or file paths cannot contain '='")
    if equals and (not key or not name):
        missing = "key name" if not key else "file path"
        raise PodrunError(f"{missing} for {'file path' if not key else 'key name'} {name or key} missing")
    path = Path(name)
    if not path.is_dir():
        yield key or path.name, _content(path)
        return
    if key:
        raise PodrunError("cannot give a key name for a directory path")
    for inside in sorted(path.iterdir()):
        if inside.is_file() and not inside.is_symlink():
            yield inside.name, _content(inside)


def _env_file(name: str) -> Iterator[Pair]:
    for number, line in enumerate(_content(Path(name)).decode(errors="surrogateescape").splitlines(), 1):
        text = line.lstrip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not _VARIABLE.fullmatch(key):
            raise PodrunError(
                f'"{key}" is not a valid key name: a valid environment variable name must consist of alphabetic '
                "characters, digits, '_', '-', or '.', and must not start with a digit "
                f"(line {number} of {name})"
            )
        if equals:
            yield key, value.encode(errors="surrogateescape")
        elif key in os.environ:
            yield key, os.environ[key].encode(errors="surrogateescape")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PodrunError(f"error reading {path}: {(error.strerror or str(error)).lower()}") from None
