"""References mean what they mean to Docker and containerd."""

from __future__ import annotations

import pytest

from podrun.image import references
from podrun.image.references import InvalidImageName

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("web:1", "docker.io/library/web:1", "web:1"),
        ("me/web:1", "docker.io/me/web:1", "me/web:1"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("localhost/web", "localhost/web:latest", "localhost/web:latest"),
        ("localhost:5000/web:1", "localhost:5000/web:1", "localhost:5000/web:1"),
        ("registry:5000/a/b/c", "registry:5000/a/b/c:latest", "registry:5000/a/b/c:latest"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("127.0.0.1:5000/web", "127.0.0.1:5000/web:latest", "127.0.0.1:5000/web:latest"),
        ("[::1]:5000/web", "[::1]:5000/web:latest", "[::1]:5000/web:latest"),
        ("UPPER/web", "UPPER/web:latest", "UPPER/web:latest"),
        ("a.b__c---d", "docker.io/library/a.b__c---d:latest", "a.b__c---d:latest"),
        ("web:V1.0_x-y", "docker.io/library/web:V1.0_x-y", "web:V1.0_x-y"),
        (f"web@{DIGEST}", f"docker.io/library/web@{DIGEST}", f"web@{DIGEST}"),
        (f"web:1@{DIGEST}", f"docker.io/library/web:1@{DIGEST}", f"web:1@{DIGEST}"),
        ("docker.io/a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"),
        ("registry:5000", "docker.io/library/registry:5000", "registry:5000"),
    ],
)
def test_a_reference_is_normalised_as_docker_does(text: str, full: str, familiar: str) -> None:
    reference = references.parse(text)
    assert str(reference) == full
    assert reference.familiar == familiar
    assert references.parse(full) == reference
    assert references.parse(familiar) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "web:",
        "web:1:2",
        ":1",
        "/web",
        "web/",
        "a//b",
        "web@",
        "web@sha256:abc",
        "-web",
        "web-",
        "we b",
        "web\n",
        "../etc",
        "a/../b",
        "web:" + "x" * 129,
        "web:.1",
        "a..b",
        "a___b",
        "wéb",
        "web\0",
        "x" * 5000,
        "http://web",
    ],
)
def test_what_is_no_reference_is_refused_in_the_kubelets_words(text: str) -> None:
    with pytest.raises(InvalidImageName) as caught:
        references.parse(text)
    if len(text) < 1000:
        assert caught.value.message == f'couldn\'t parse image name "{text}": invalid reference format'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Web", "invalid reference format: repository name (library/Web) must be lowercase"),
        ("me/Web:1", "invalid reference format: repository name (me/Web) must be lowercase"),
        ("a" * 64, "cannot specify 64-byte hexadecimal strings"),
        ("host.x/" + "a" * 250, "repository name must not be more than 255 characters"),
        ("web@sha256:" + "a" * 40, "invalid checksum digest length"),
        ("web@md5:" + "a" * 32, "unsupported digest algorithm"),
    ],
)
def test_the_reason_is_named_where_docker_names_it(text: str, why: str) -> None:
    with pytest.raises(InvalidImageName) as caught:
        references.parse(text)
    assert caught.value.message == f'couldn\'t parse image name "{text}": {why}'
