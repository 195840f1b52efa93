"""What skopeo is told, and what its complaints are turned into."""

from __future__ import annotations

import pytest

from podrun.registry import skopeo


@pytest.mark.parametrize(
    ("registry", "insecure", "secure"),
    [
        ("docker.io", (), True),
        ("127.0.0.1:5000", (), False),
        ("127.9.9.9", (), False),
        ("[::1]:5000", (), False),
        ("localhost:5000", (), False),
        ("localhost.example.com", (), True),
        ("10.0.0.1:5000", (), True),
        ("10.0.0.1:5000", ("10.0.0.1:5000",), False),
        ("10.0.0.1:5001", ("10.0.0.1:5000",), True),
        ("r.lan:5000", ("r.lan",), False),
    ],
)
def test_loopback_and_what_is_named_may_do_without_tls(registry: str, insecure: tuple[str, ...], secure: bool) -> None:
    assert skopeo.is_secure(registry, insecure) == secure


def said(text: str) -> str:
    escaped = text.replace('"', '\\"')
    return (
        f'time="2026-01-01T00:00:00Z" level=warning msg="x"\ntime="2026-01-01T00:00:00Z" level=fatal msg="{escaped}"\n'
    )


def test_a_missing_tag_is_said_as_containerd_says_it() -> None:
    text = 'Error parsing image name "docker://r/a:1": reading manifest 1 in r/a: manifest unknown: manifest unknown'
    assert skopeo.complaint(said(text), "r/a:1").reason == 'failed to resolve reference "r/a:1": r/a:1: not found'


def test_a_refused_credential_is_told_apart() -> None:
    found = skopeo.complaint(said("reading manifest 1 in r/a: unauthorized: authentication required"), "r/a:1")
    assert found.is_refused
    assert "pull access denied, repository does not exist or may require authorization" in found.reason


def test_an_unreachable_registry_is_told_in_the_networks_words() -> None:
    text = 'pinging container registry r: Get "https://r/v2/": dial tcp: lookup r: no such host'
    found = skopeo.complaint(said(f'Error parsing image name "docker://r/a:1": {text}'), "r/a:1")
    assert found == skopeo.Complaint(text)
    assert skopeo.complaint(said("received unexpected HTTP status: 503 Service Unavailable"), "r/a:1").is_unavailable
    assert skopeo.complaint("", "r/a:1").reason == "skopeo failed without a word"


def test_a_registry_that_talks_without_end_is_cut_short() -> None:
    found = skopeo.complaint(said("x" * 1_000_000 + " unauthorized"), "r/a:1")
    assert len(found.reason) < 3000
    assert len(skopeo.complaint("y" * 1_000_000, "r/a:1").reason) < 3000


def test_only_proxies_and_certificates_of_the_environment_reach_skopeo() -> None:
    own = {
        "HOME": "/root",
        "PATH": "/bin",
        "https_proxy": "p",
        "NO_PROXY": "n",
        "REGISTRY_AUTH_FILE": "/x",
        "SSL_CERT_DIR": "/c",
    }
    kept = {
        "PATH": "/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "https_proxy": "p",
        "NO_PROXY": "n",
        "SSL_CERT_DIR": "/c",
    }
    assert skopeo.environment(own) == kept
