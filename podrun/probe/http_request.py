"""What an httpGet probe or hook sends: the URL and the bytes of the request. Pure.

Rules: pkg/probe/http/request.go, and what Go's net/http makes of them.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, replace

from podrun.probe.addresses import join

KUBERNETES_VERSION = "1.33"
PORTS = {"http": 80, "https": 443}

_PATH_SAFE = "/:@!$&'()*+,;=-._~%"
_NEVER_SENT = frozenset({"Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


class InvalidRequest(Exception):
    """Go's words for a request that can't be sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """A GET. `target` is path and query; `host_header` is empty where the URL's own host is meant."""

    scheme: str
    host: str
    port: int
    explicit_port: bool
    target: str
    headers: tuple[tuple[str, str], ...]
    host_header: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return join(self.host, self.port) if self.explicit_port else host

    def encode(self) -> bytes:
        """Raises InvalidRequest."""
        user_agent, others = "", []
        for name, value in self.headers:
            if not _TOKEN.fullmatch(name):
                raise InvalidRequest(f'net/http: invalid header field name "{name}"')
            if _CONTROL.search(value):
                raise InvalidRequest(f'net/http: invalid header field value for "{name}"')
            if name == "User-Agent":
                user_agent = user_agent or value
            elif name not in _NEVER_SENT:
                others.append(f"{name}: {value.strip()}\r\n")
        target = self.target if self.target.startswith("/") else f"/{self.target}"
        agent = f"User-Agent: {user_agent.strip()}\r\n" if user_agent else ""
        host = _UNPRINTABLE.split(self.host_header)[0] or self.authority
        head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{agent}{''.join(others)}Connection: close\r\n\r\n"
        return head.encode()

    def redirected(self, location: str) -> Request:
        """The request that follows an answer with this Location. Raises InvalidRequest."""
        try:
            url = urllib.parse.urlsplit(urllib.parse.urljoin(self.url, location))
            port = url.port
        except ValueError as error:
            raise InvalidRequest(f'failed to parse Location header "{location}": {error}') from error
        if url.scheme not in PORTS:
            raise InvalidRequest(f'unsupported protocol scheme "{url.scheme}"')
        is_relative = not urllib.parse.urlsplit(location).scheme
        return replace(
            self,
            scheme=url.scheme,
            host=url.hostname or "",
            port=port or PORTS[url.scheme],
            explicit_port=port is not None,
            target=_target(url),
            host_header=self.host_header if is_relative else "",
        )


def request(scheme: str, host: str, port: int, path: str, headers: Iterable[tuple[str, str]], agent: str) -> Request:
    """The request of an HTTPGetAction. `agent` is "probe" or "lifecycle"."""
    named = [(_canonical(name), value) for name, value in headers]
    given = {name for name, _ in named}
    if "User-Agent" not in given:
        named.append(("User-Agent", f"kube-{agent}/{KUBERNETES_VERSION}"))
    if next((value for name, value in named if name == "Accept"), None) == "":
        named = [(name, value) for name, value in named if name != "Accept"]
    elif "Accept" not in given:
        named.append(("Accept", "*/*"))
    return Request(
        scheme=scheme.lower() or "http",
        host=host,
        port=port,
        explicit_port=True,
        target=_target_of(path),
        headers=tuple(sorted(named, key=lambda header: header[0])),
        host_header=next((value for name, value in named if name == "Host"), ""),
    )


def _target_of(path: str) -> str:
    """Path and query as they are sent; what is no URL is taken for a path and escaped whole."""
    if _BROKEN_ESCAPE.search(path.partition("?")[0]) or _UNPRINTABLE.search(path):
        return _rooted(urllib.parse.quote(path, safe=_PATH_SAFE.replace("%", "")))
    try:
        return _target(urllib.parse.urlsplit(path))
    except ValueError:
        return _rooted(urllib.parse.quote(path, safe=_PATH_SAFE.replace("%", "")))


def _target(url: urllib.parse.SplitResult) -> str:
    path = _rooted(urllib.parse.quote(url.path, safe=_PATH_SAFE)) if url.path else ""
    query = urllib.parse.quote(url.query, safe=_PATH_SAFE + '?[]{}|\\^"<>`')
    return f"{path}?{query}" if query else path


def _rooted(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _canonical(name: str) -> str:
    """`x-real-ip` → `X-Real-Ip`, as Go writes it; what is no token stays as it is."""
    return "-".join(part.capitalize() for part in name.split("-")) if _TOKEN.fullmatch(name) else name
