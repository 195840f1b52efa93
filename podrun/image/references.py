"""Image references, parsed and normalised as Docker and containerd do (the distribution project's reference grammar).

Pure: text in, frozen values out. What an image id is (`sha256:…` alone) is for the store to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from podrun.errors import PodrunError

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_PATH_PART}(?:/{_PATH_PART})*)"
    r"(?::(?P<tag>[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?"
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LONGEST_NAME = 255
_LONGEST_TEXT = 1024


class InvalidImageName(PodrunError):
    """The text is no image reference; the message is the one that the kubelet shows."""

    def __init__(self, text: str, why: str = "invalid reference format") -> None:
        super().__init__(f'couldn\'t parse image name "{text}": {why}')


@dataclass(frozen=True, slots=True)
class Reference:
    """A normalised reference: `docker.io/library/busybox`, tag `latest`. With a digest, the tag is only a remark."""

    repository: str
    tag: str | None
    digest: str | None = None

    def __str__(self) -> str:
        """The full name, as containerd stores it."""
        return self.repository + self._suffix()

    @property
    def familiar(self) -> str:
        """The short name that a person typed: without `docker.io/library/`."""
        name = self.repository.removeprefix(f"{DEFAULT_DOMAIN}/")
        if name != self.repository and name.count("/") == 1:
            name = name.removeprefix("library/")
        return name + self._suffix()

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return tag + digest


def parse(text: str) -> Reference:
    """The reference that `text` means, with docker.io, library/ and :latest filled in. Raises InvalidImageName."""
    if _IDENTIFIER.fullmatch(text):
        raise InvalidImageName(text, "cannot specify 64-byte hexadecimal strings")
    if not text or len(text) > _LONGEST_TEXT:
        raise InvalidImageName(text[:_LONGEST_TEXT])
    domain, rest = _split_domain(text)
    path_only = re.split("[:@]", rest, maxsplit=1)[0]
    if path_only != path_only.lower():
        raise InvalidImageName(text, f"invalid reference format: repository name ({path_only}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if match is None:
        raise InvalidImageName(text)
    repository = f"{match['domain']}/{match['path']}"
    if len(repository) > _LONGEST_NAME:
        raise InvalidImageName(text, f"repository name must not be more than {_LONGEST_NAME} characters")
    digest: str | None = match["digest"]
    if digest is not None:
        _check_digest(text, digest)
    return Reference(repository, match["tag"] or (None if digest else DEFAULT_TAG), digest)


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_domain = slash and (any(c in first for c in ".:") or first == "localhost" or first != first.lower())
    domain, path = (first, rest) if is_domain else (DEFAULT_DOMAIN, text)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return domain, path


def _check_digest(text: str, digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    if algorithm not in _DIGEST_LENGTHS:
        raise InvalidImageName(text, "unsupported digest algorithm")
    if len(value) != _DIGEST_LENGTHS[algorithm] or value != value.lower():
        raise InvalidImageName(text, "invalid checksum digest length" if value == value.lower() else "invalid digest")
