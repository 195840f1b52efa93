"""Registry credentials in Docker's formats, and which of them go with an image, as Kubernetes matches them. Pure.

Rules: pkg/credentialprovider (keyring.go, config.go).
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from podrun.errors import PodrunError

_DEFAULT_REGISTRY = "index.docker.io"


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credential({self.username!r})"  # a password in a log would be one too many


class _Entry(msgspec.Struct):
    username: str = ""
    password: str = ""
    auth: str = ""


class _Config(msgspec.Struct):
    auths: dict[str, _Entry] = {}


Keyring = tuple[tuple[str, Credential], ...]
"""Keys of a configuration, normalised, each with what it unlocks."""


def parse_config(document: bytes) -> Keyring:
    """`.dockerconfigjson`, config.json, an auth file. PodrunError: it is none."""
    try:
        return _keyring(msgspec.json.decode(document, type=_Config).auths)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PodrunError(f"cannot read registry credentials: {error}") from error


def parse_legacy_config(document: bytes) -> Keyring:
    """`.dockercfg`: the same without `auths` around it. PodrunError: it is none."""
    try:
        return _keyring(msgspec.json.decode(document, type=dict[str, _Entry]))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PodrunError(f"cannot read registry credentials: {error}") from error


def lookup(keyrings: Iterable[Keyring], repository: str) -> list[Credential]:
    """All that may unlock `repository` (docker.io/library/busybox): ring after ring, the most specific key first."""
    found: list[Credential] = []
    for keyring in keyrings:
        ordered = sorted(keyring, key=lambda pair: pair[0], reverse=True)
        matching = [credential for key, credential in ordered if _matches(key, repository)]
        if not matching and repository.partition("/")[0] == "docker.io":
            matching = [credential for key, credential in ordered if key == _DEFAULT_REGISTRY]
        found += [credential for credential in matching if credential not in found]
    return found


def auth_file(registry: str, credential: Credential | None) -> bytes:
    """What skopeo is given to read: this one credential, or none."""
    if credential is None:
        return b'{"auths":{}}'
    pair = f"{credential.username}:{credential.password}".encode()
    return msgspec.json.encode({"auths": {registry: {"auth": base64.b64encode(pair).decode()}}})


def _keyring(entries: Mapping[str, _Entry]) -> Keyring:
    return tuple((_key(location), _credential(entry)) for location, entry in entries.items())


def _credential(entry: _Entry) -> Credential:
    if not entry.auth:
        return Credential(entry.username, entry.password)
    try:
        decoded = base64.b64decode(entry.auth, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise PodrunError("cannot read registry credentials: an auth field is not base64 of text") from error
    username, colon, password = decoded.partition(":")
    if not colon:
        raise PodrunError("cannot read registry credentials: unable to parse auth field, must be formatted as base64")
    return Credential(username, password.rstrip("\0"))


def _key(location: str) -> str:
    """Host, port and path: the scheme and Docker's /v1/ and /v2/ mean nothing."""
    host, _, path = re.sub("^https?://", "", location).partition("/")
    path = re.sub("^v[12]/", "", path)
    return f"{host}/{path}" if path else host


def _matches(key: str, repository: str) -> bool:
    """Part by part of the host's name, where `*` stands for any part of it; same port; the path is a prefix."""
    glob_host, _, glob_path = key.partition("/")
    host, _, path = repository.partition("/")
    glob_name, _, glob_port = glob_host.partition(":")
    name, _, port = host.partition(":")
    glob_parts, parts = glob_name.split("."), name.split(".")
    return (
        glob_port == port
        and len(glob_parts) == len(parts)
        and path.startswith(glob_path)
        and all(fnmatch.fnmatchcase(part, glob) for part, glob in zip(parts, glob_parts, strict=True))
    )
