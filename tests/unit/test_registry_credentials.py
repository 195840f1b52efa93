"""Credentials are read in Docker's formats and go with an image as Kubernetes matches them."""

from __future__ import annotations

import base64
import json

import pytest

from podrun.errors import PodrunError
from podrun.registry import credentials
from podrun.registry.credentials import Credential, Keyring


def ring(*locations: str) -> Keyring:
    """Each location with a user of that name."""
    return credentials.parse_config(
        json.dumps({"auths": {at: {"username": at, "password": "p"} for at in locations}}).encode()
    )


def users(keyrings: list[Keyring], repository: str) -> list[str]:
    return [found.username for found in credentials.lookup(keyrings, repository)]


@pytest.mark.parametrize(
    ("location", "repository", "fits"),
    [
        ("r.io", "r.io/a/b", True),
        ("https://r.io", "r.io/a/b", True),
        ("http://r.io/v2/", "r.io/a", True),
        ("r.io:5000", "r.io/a", False),
        ("r.io:5000", "r.io:5000/a", True),
        ("r.io", "r.io:5000/a", False),
        ("r.io/a", "r.io/a/b", True),
        ("r.io/a/b/c", "r.io/a/b", False),
        ("r.io/b", "r.io/a", False),
        ("*.r.io", "eu.r.io/a", True),
        ("*.r.io", "a.eu.r.io/a", False),
        ("*.*.r.io", "a.eu.r.io/a", True),
        ("r*.io", "registry.io/a", True),
        ("*.io:5000/team", "r.io:5000/team/a", True),
        ("xr.io", "r.io/a", False),
        ("docker.io", "docker.io/library/busybox", True),
        ("https://index.docker.io/v1/", "docker.io/library/busybox", True),
        ("index.docker.io/v1/", "quay.io/a", False),
    ],
)
def test_a_key_fits_by_host_port_and_path(location: str, repository: str, fits: bool) -> None:
    assert bool(users([ring(location)], repository)) == fits


def test_the_most_specific_key_comes_first_and_one_ring_after_another() -> None:
    secret, own = ring("r.io", "r.io/team", "other.io"), ring("r.io/team/app")
    assert users([secret, own], "r.io/team/app") == ["r.io/team", "r.io", "r.io/team/app"]


def test_an_auth_field_wins_over_user_and_password() -> None:
    auth = base64.b64encode(b"joe:se:cret").decode()
    document = json.dumps({"r.io": {"username": "x", "password": "y", "auth": auth, "email": "e"}}).encode()
    assert credentials.lookup([credentials.parse_legacy_config(document)], "r.io/a") == [Credential("joe", "se:cret")]


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"\xff", b'{"auths":{"r":{"auth":"!"}}}', b'{"auths":{"r":{"auth":"am9l"}}}']
)
def test_what_is_no_configuration_is_refused(document: bytes) -> None:
    with pytest.raises(PodrunError, match="cannot read registry credentials"):
        credentials.parse_config(document)


def test_the_file_for_skopeo_holds_one_credential_and_reads_back() -> None:
    credential = Credential("joe", "geheim")
    (found,) = credentials.lookup([credentials.parse_config(credentials.auth_file("r.io:1", credential))], "r.io:1/a")
    assert found == credential
    assert "geheim" not in repr(found)
    assert credentials.parse_config(credentials.auth_file("r.io", None)) == ()
