"""Tokens of service accounts: what they claim, that the public key proves it, and who can read the private one."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet.account_tokens import AccountTokens, Token
from tests.fakes.api_server import NOW, Api, play

POD = objects.Pod(
    metadata=objects.ObjectMeta(name="web", namespace="default", uid="pod-uid"),
    spec=objects.PodSpec(service_account_name="robot", node_name="here"),
)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(token: Token) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(decoded(token.text.split(".")[1]))
    return found


def test_a_token_is_signed_and_bound_to_its_pod(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        key = tmp_path / "account.key"
        tokens = AccountTokens(api.store, key, "cluster.local")
        account = await api.store.create(
            objects.ServiceAccount(metadata=objects.ObjectMeta(name="robot", namespace="default"))
        )
        source = objects.ServiceAccountTokenProjection(audience="vault", expiration_seconds=7200, path="token")
        token = tokens.issue(POD, source, NOW)
        assert (token.expires_at, token.refresh_at) == (NOW + 7200, NOW + 5760)
        found = claims_of(token)
        assert (found["aud"], found["iat"], found["exp"]) == (["vault"], NOW, NOW + 7200)
        assert found["sub"] == "system:serviceaccount:default:robot"
        assert found["iss"] == "https://kubernetes.default.svc.cluster.local"
        assert found["kubernetes.io"] == {
            "namespace": "default",
            "pod": {"name": "web", "uid": "pod-uid"},
            "serviceaccount": {"name": "robot", "uid": account.metadata.uid},
        }
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        head, body, signature = token.text.split(".")
        (tmp_path / "signature").write_bytes(decoded(signature))
        check = ["openssl", "dgst", "-sha256", "-verify", f"{key}.pub", "-signature", tmp_path / "signature"]
        subprocess.run(check, input=f"{head}.{body}".encode(), check=True, capture_output=True)
        # The same key after a restart; the issuer is the default audience.
        again = AccountTokens(api.store, key, "cluster.local").issue(POD, objects.ServiceAccountTokenProjection(), NOW)
        assert again.text.split(".")[0] == head
        assert claims_of(again)["aud"] == [found["iss"]]

    play(tmp_path, scenario)


def test_without_an_account_there_is_no_token(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        tokens = AccountTokens(api.store, tmp_path / "account.key", "cluster.local")
        with pytest.raises(PodrunError, match='failed to fetch token: serviceaccounts "robot" not found'):
            tokens.issue(POD, objects.ServiceAccountTokenProjection(), NOW)

    play(tmp_path, scenario)
