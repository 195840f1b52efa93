"""ConfigMaps and Secrets: keys, sizes, what each type of Secret must hold, what may not change any more."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from podrun.api import field_errors
from podrun.api import validate_names as names
from podrun.api.objects import ConfigMap, Secret
from podrun.api.validate_meta import check_meta, check_meta_update
from podrun.api.validate_names import Errors

LARGEST = 1 << 20
"""Bytes of all values together."""

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
ACCOUNT_NAME = "kubernetes.io/service-account.name"

_SEALED = "field is immutable when `immutable` is set"
_DOCKER_KEYS = {DOCKER_CONFIG: ".dockercfg", DOCKER_CONFIG_JSON: ".dockerconfigjson"}


def check_config_map(config: ConfigMap) -> Errors:
    yield from check_meta(config.metadata)
    yield from _keys("data", config.data, config.binary_data, "duplicate of key present in binaryData")
    yield from _keys("binaryData", config.binary_data, config.data, "duplicate of key present in data")
    texts = sum(len(value.encode()) for value in config.data.values())
    if texts + sum(_size(value) for value in config.binary_data.values()) > LARGEST:
        yield field_errors.too_long("[]", LARGEST)  # Kubernetes' words for "the whole object"


def check_config_map_update(new: ConfigMap, old: ConfigMap) -> Errors:
    yield from check_meta_update(new.metadata, old.metadata)
    if old.immutable:
        yield from _sealed(new, old, ("immutable", "immutable"), ("data", "data"), ("binaryData", "binary_data"))
    yield from check_config_map(new)


def check_secret(secret: Secret) -> Errors:
    """Expects `string_data` to be folded into `data`."""
    yield from check_meta(secret.metadata)
    yield from _keys("data", secret.data, {}, "")
    if sum(_size(value) for value in secret.data.values()) > LARGEST:
        yield field_errors.too_long("data", LARGEST)
    yield from _content(secret)


def check_secret_update(new: Secret, old: Secret) -> Errors:
    yield from check_meta_update(new.metadata, old.metadata)
    if new.type != old.type:
        yield field_errors.invalid("type", new.type, names.IMMUTABLE)
    if old.immutable:
        yield from _sealed(new, old, ("immutable", "immutable"), ("data", "data"))
    yield from check_secret(new)


def _keys(path: str, values: Mapping[str, str], others: Mapping[str, str], duplicate: str) -> Errors:
    for key in values:
        yield from names.check(f"{path}[{key}]", key, names.config_key_problems)
        if key in others:
            yield field_errors.invalid(f"{path}[{key}]", key, duplicate)


def _size(encoded: str) -> int:
    """Bytes behind base64."""
    return len(encoded) // 4 * 3 - encoded[-2:].count("=")


def _sealed(new: Any, old: Any, *fields: tuple[str, str]) -> Errors:
    for shown, field in fields:
        if getattr(new, field) != getattr(old, field):
            yield field_errors.forbidden(shown, _SEALED)


def _content(secret: Secret) -> Errors:
    match secret.type:
        case "kubernetes.io/service-account-token":
            if not secret.metadata.annotations.get(ACCOUNT_NAME):
                yield field_errors.required(f"metadata.annotations[{ACCOUNT_NAME}]")
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            yield from _docker_config(secret.data, _DOCKER_KEYS[secret.type])
        case "kubernetes.io/basic-auth":
            if not secret.data.keys() & {"username", "password"}:
                yield field_errors.required("data[username]")
                yield field_errors.required("data[password]")
        case "kubernetes.io/ssh-auth":
            if not secret.data.get("ssh-privatekey"):
                yield field_errors.required("data[ssh-privatekey]")
        case "kubernetes.io/tls":
            yield from (
                field_errors.required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in secret.data
            )


def _docker_config(data: Mapping[str, str], key: str) -> Errors:
    if key not in data:
        yield field_errors.required(f"data[{key}]")
        return
    try:
        if not isinstance(json.loads(base64.b64decode(data[key])), dict):
            raise ValueError("json: cannot unmarshal the value into Go value of type map[string]interface {}")
    except ValueError as error:
        yield field_errors.invalid(f"data[{key}]", "<secret contents redacted>", str(error))
