"""The OCI image config: what a container of the image runs unless its pod says otherwise. Parses what may be hostile.

OCI image spec, "Image Configuration"; Docker's `null` for an empty list is taken as Go takes it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeVar

import msgspec

from podrun.image.errors import BadImage

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MOST_LAYERS = 127  # what one overlay mount takes with short names
_LONGEST_STRING = 1 << 17  # MAX_ARG_STRLEN, execve(2)

_T = TypeVar("_T")


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults for a container. `env` entries have the form NAME=value; `user` is as in USER of a Dockerfile."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = {}


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document that a manifest points to. `diff_ids`: digests of the uncompressed layers, bottom to top."""

    architecture: str
    os: str
    variant: str
    created: datetime | None
    config: ImageConfig
    diff_ids: tuple[str, ...]


class _Container(msgspec.Struct, rename="pascal"):
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    env: list[str] | None = None
    user: str | None = None
    working_dir: str | None = None
    stop_signal: str | None = None
    exposed_ports: dict[str, object] | None = None
    volumes: dict[str, object] | None = None
    labels: dict[str, str] | None = None


class _RootFs(msgspec.Struct):
    type: str = "layers"
    diff_ids: list[str] | None = None


class _Document(msgspec.Struct):
    rootfs: _RootFs
    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: str | None = None
    config: _Container | None = None


def decode(document: bytes, kind: type[_T], what: str) -> _T:
    """`document` as `kind`. Raises BadImage that says where `what` is wrong."""
    try:
        return msgspec.json.decode(document, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadImage(f"bad {what}: {error}") from error


def parse(document: bytes) -> ConfigFile:
    """The config in `document`. Raises BadImage for wrong types and for strings that no process could be given."""
    parsed = decode(document, _Document, "image config")
    container = parsed.config or _Container()
    diff_ids = tuple(parsed.rootfs.diff_ids or ())
    for diff_id in diff_ids:
        if not DIGEST.fullmatch(diff_id):
            raise BadImage(f"bad image config: {diff_id[:100]!r} is no sha256 digest")
    if len(diff_ids) > MOST_LAYERS:
        raise BadImage(f"it has {len(diff_ids)} layers, more than the {MOST_LAYERS} that one overlay mount can take")
    config = ImageConfig(
        entrypoint=tuple(container.entrypoint or ()),
        cmd=tuple(container.cmd or ()),
        env=tuple(container.env or ()),
        user=container.user or "",
        working_dir=container.working_dir or "",
        stop_signal=container.stop_signal or "",
        exposed_ports=tuple(container.exposed_ports or ()),
        volumes=tuple(container.volumes or ()),
        labels=container.labels or {},
    )
    check(config)
    return ConfigFile(
        architecture=parsed.architecture,
        os=parsed.os,
        variant=parsed.variant,
        created=_time(parsed.created),
        config=config,
        diff_ids=diff_ids,
    )


def check(config: ImageConfig) -> None:
    """Raises BadImage for what could not be given to a process: NUL, overlong strings, variables without a name."""
    fields = {
        "Entrypoint": config.entrypoint,
        "Cmd": config.cmd,
        "Env": config.env,
        "User": (config.user,),
        "WorkingDir": (config.working_dir,),
        "StopSignal": (config.stop_signal,),
        "Volumes": config.volumes,
    }
    for name, values in fields.items():
        for value in values:
            if "\0" in value:
                raise BadImage(f"bad image config: {name} has a NUL in it")
            if len(value.encode()) >= _LONGEST_STRING:
                raise BadImage(f"bad image config: {name} has a string of more than {_LONGEST_STRING} bytes")
    for variable in config.env:
        if variable.partition("=")[0] == "" or "=" not in variable:
            raise BadImage(f"bad image config: Env has {variable[:100]!r}, which is not NAME=value")


def encode(file: ConfigFile, created_by: str) -> bytes:
    """The document for a new image of one step."""
    created = file.created.isoformat().replace("+00:00", "Z") if file.created else None
    container = {
        "Entrypoint": list(file.config.entrypoint),
        "Cmd": list(file.config.cmd),
        "Env": list(file.config.env),
        "User": file.config.user,
        "WorkingDir": file.config.working_dir,
        "StopSignal": file.config.stop_signal,
        "ExposedPorts": {port: {} for port in file.config.exposed_ports},
        "Volumes": {volume: {} for volume in file.config.volumes},
        "Labels": file.config.labels,
    }
    document = {
        "created": created,
        "architecture": file.architecture,
        "os": file.os,
        "config": {key: value for key, value in container.items() if value},
        "rootfs": {"type": "layers", "diff_ids": list(file.diff_ids)},
        "history": [{"created": created, "created_by": created_by}],
    }
    return msgspec.json.encode(document)


def _time(text: str | None) -> datetime | None:
    try:
        return msgspec.convert(text, datetime | None)
    except msgspec.ValidationError:
        return None  # it is only shown
