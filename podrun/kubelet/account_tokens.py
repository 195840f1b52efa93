"""Tokens of service accounts, as a projected volume shows them: signed by a key of this instance, bound to the pod.

JSON Web Tokens with RS256 (RFC 7515, RFC 7519), with the claims of pkg/serviceaccount/claims.go. There is no API server
that pods could use them with: they are for programs that want one, and for whoever checks it with the public key.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.store.store import Store

SHORTEST = 600  # seconds, as the API server allows
LONGEST_UNREFRESHED = 24 * 3600.0  # seconds
REFRESH_SHARE = 0.8  # of a token's time, after which it is replaced (pkg/kubelet/token)


@dataclass(frozen=True, slots=True)
class Token:
    """Times are seconds since the epoch; from `refresh_at` on the file should hold another one."""

    text: str
    expires_at: float
    refresh_at: float


class AccountTokens:
    """`key` is the private key's file, made when the first token is issued; the public one lies beside it (.pub).

    Safe to be used from several threads.
    """

    def __init__(self, store: Store, key: Path, cluster_domain: str) -> None:
        self._store = store
        self._key = key
        self._issuer = f"https://kubernetes.default.svc.{cluster_domain}"
        self._key_id = ""
        self._lock = Lock()

    def issue(self, pod: objects.Pod, source: objects.ServiceAccountTokenProjection, now: float | None = None) -> Token:
        """For the pod's service account. Blocks some milliseconds. PodrunError: there is no such account, no key."""
        began = int(time.time() if now is None else now)
        seconds = max(source.expiration_seconds or 3600, SHORTEST)
        account = self._account(pod)
        claims = self._claims(pod, account, source.audience or self._issuer, began, began + seconds)
        with self._lock:
            key_id = self._key_id = self._key_id or self._load_key()
        head = {"alg": "RS256", "kid": key_id}
        signed = f"{_encoded(msgspec.json.encode(head))}.{_encoded(msgspec.json.encode(claims))}"
        signature = _openssl("dgst", "-sha256", "-sign", str(self._key), given=signed.encode())
        refresh = began + min(seconds * REFRESH_SHARE, LONGEST_UNREFRESHED)
        return Token(f"{signed}.{_encoded(signature)}", began + seconds, refresh)

    def _account(self, pod: objects.Pod) -> objects.ServiceAccount:
        name = pod.spec.service_account_name or "default"
        account = self._store.get(objects.ServiceAccount, pod.metadata.namespace, name)
        if account is None:
            raise PodrunError(f'failed to fetch token: serviceaccounts "{name}" not found')
        return account

    def _claims(
        self, pod: objects.Pod, account: objects.ServiceAccount, audience: str, began: int, ends: int
    ) -> dict[str, Any]:
        namespace, name = account.metadata.namespace, account.metadata.name
        bound: dict[str, Any] = {
            "namespace": namespace,
            "pod": {"name": pod.metadata.name, "uid": pod.metadata.uid},
            "serviceaccount": {"name": name, "uid": account.metadata.uid},
        }
        node = self._store.get(objects.Node, "", pod.spec.node_name)
        if node is not None:
            bound["node"] = {"name": node.metadata.name, "uid": node.metadata.uid}
        return {
            "aud": [audience],
            "exp": ends,
            "iat": began,
            "iss": self._issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": began,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }

    def _load_key(self) -> str:
        """The key's id, as Kubernetes makes one: a hash of the public key. PodrunError."""
        public = self._key.with_name(self._key.name + ".pub")
        try:
            if not self._key.exists():
                _write(self._key, _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
            _write(public, _openssl("pkey", "-in", str(self._key), "-pubout"))
        except OSError as error:
            raise PodrunError(f"cannot write {error.filename}: {error.strerror}") from error
        der = _openssl("pkey", "-pubin", "-in", str(public), "-pubout", "-outform", "DER")
        return _encoded(hashlib.sha256(der).digest())


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, for root alone. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.rename(path)


def _openssl(*words: str, given: bytes = b"") -> bytes:
    """What the program writes. PodrunError."""
    try:
        run = subprocess.run(["openssl", *words], input=given, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise PodrunError(f"cannot run openssl: {error}", hint="install the package openssl") from error
    if run.returncode != 0:
        raise PodrunError(f"openssl {words[0]} failed: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
