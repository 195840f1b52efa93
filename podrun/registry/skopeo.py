"""How skopeo is called, and what its complaints mean. Pure: nothing runs here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping

import msgspec

_QUIET_PREFIXES = (
    r'Error parsing image name "[^"]*": ',
    r"initializing source [^ ]+: ",
    r"determining manifest MIME type for [^ ]+: ",
)
_LONGEST = 2000  # characters of a reason: a registry may answer with as much as it likes
_KEPT = re.compile("(?i)(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)")


class Source(msgspec.Struct, frozen=True):
    """A repository in a registry, and how it is reached. `auth_file`: all the credentials that skopeo may use."""

    repository: str
    is_secure: bool
    auth_file: str


class Complaint(msgspec.Struct, frozen=True):
    """Why skopeo failed, in containerd's words where it has any."""

    reason: str
    is_refused: bool = False  # the registry wants another credential, or one at all
    is_unavailable: bool = False  # the registry says that it does not serve anybody now


def read_manifest(source: Source, version: str) -> list[str]:
    """`version`: `:tag` or `@digest`. The raw manifest goes to stdout."""
    return ["skopeo", "inspect", "--raw", *_options(source, ""), f"docker://{source.repository}{version}"]


def read_config(source: Source, version: str) -> list[str]:
    return ["skopeo", "inspect", "--raw", "--config", *_options(source, ""), f"docker://{source.repository}{version}"]


def copy(source: Source, digest: str, directory: str) -> list[str]:
    """Into an OCI layout at `directory`, where layers that are there already are not fetched. As they are: no blob is
    compressed anew; the manifest may be rewritten."""
    options = [*_options(source, "src-"), "--quiet", "--retry-times=2", "--dest-oci-accept-uncompressed-layers"]
    return ["skopeo", f"--tmpdir={directory}", "copy", *options, f"docker://{source.repository}@{digest}",
            f"oci:{directory}:pulled"]  # fmt: skip


def log_in(registry: str, username: str, auth_file: str, *, is_secure: bool) -> list[str]:
    """Asks the registry whether the password on stdin is right, then keeps it in `auth_file`."""
    options = [f"--authfile={auth_file}", f"--tls-verify={str(is_secure).lower()}", f"--username={username}"]
    return ["skopeo", "login", *options, "--password-stdin", registry]


def log_out(registry: str, auth_file: str) -> list[str]:
    return ["skopeo", "logout", f"--authfile={auth_file}", registry]


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """Of `own`, proxies and certificates alone: no home whose credentials would be used unasked."""
    kept = {name: value for name, value in own.items() if _KEPT.fullmatch(name)}
    return {
        "PATH": own.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
    } | kept


def is_secure(registry: str, insecure: Collection[str]) -> bool:
    """Whether TLS with a good certificate is asked for: of all but loopback and those that are named `insecure`."""
    name = registry.rpartition(":")[0] if re.search(r":[0-9]+$", registry) else registry
    if registry in insecure or name in insecure or name == "localhost":
        return False
    try:
        return not ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return True


def complaint(stderr: str, subject: str) -> Complaint:
    """What stderr says of `subject`, a full image reference."""
    found = re.findall(r'level=fatal msg=("(?:[^"\\]|\\.)*"|\S+)', stderr)
    text = _unquoted(found[-1]) if found else stderr.strip().rpartition("\n")[2] or "skopeo failed without a word"
    for prefix in _QUIET_PREFIXES:
        text = re.sub(f"^{prefix}", "", text)
    text = text[:_LONGEST]
    if re.search("manifest unknown|name unknown|repository name not known", text):
        return Complaint(f'failed to resolve reference "{subject}": {subject}: not found')
    if re.search("unauthorized|authentication required|access to the resource is denied|status code 40[13]", text):
        why = "pull access denied, repository does not exist or may require authorization"
        return Complaint(f'failed to resolve reference "{subject}": {why}: {text}', is_refused=True)
    unavailable = re.search("50[234] \\(|status code 50[234]|Service Unavailable|Bad Gateway|toomanyrequests", text)
    return Complaint(text, is_unavailable=unavailable is not None)


def _options(source: Source, side: str) -> list[str]:
    return [f"--authfile={source.auth_file}", f"--{side}tls-verify={str(source.is_secure).lower()}"]


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text[1:-1])
