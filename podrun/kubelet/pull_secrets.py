"""The registry credentials in the secrets that a pod or its service account names (pkg/credentialprovider/secrets)."""

from __future__ import annotations

import base64

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.registry import credentials
from podrun.registry.credentials import Keyring
from podrun.store.store import Store

_FORMATS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson", credentials.parse_config),
    "kubernetes.io/dockercfg": (".dockercfg", credentials.parse_legacy_config),
}


def keyrings(pod: objects.Pod, store: Store) -> tuple[list[Keyring], list[str]]:
    """What the pod's pull secrets hold, and the names of those that are not there or hold nothing of use."""
    found: list[Keyring] = []
    missing: list[str] = []
    for reference in _references(pod, store):
        if not reference.name:
            continue
        secret = store.get(objects.Secret, pod.metadata.namespace, reference.name)
        keyring = None if secret is None else _keyring(secret)
        if keyring is None:
            missing.append(reference.name)
        else:
            found.append(keyring)
    return found, missing


def _references(pod: objects.Pod, store: Store) -> tuple[objects.LocalObjectReference, ...]:
    """The pod's own; where it names none, those of its service account."""
    if pod.spec.image_pull_secrets:
        return pod.spec.image_pull_secrets
    account = store.get(objects.ServiceAccount, pod.metadata.namespace, pod.spec.service_account_name or "default")
    return account.image_pull_secrets if account is not None else ()


def _keyring(secret: objects.Secret) -> Keyring | None:
    key, parse = _FORMATS.get(secret.type, ("", None))
    if parse is None or key not in secret.data:
        return None
    try:
        return parse(base64.b64decode(secret.data[key]))
    except (PodrunError, ValueError):
        return None
