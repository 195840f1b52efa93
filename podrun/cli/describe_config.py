"""ConfigMaps, Secrets, service accounts and namespaces, described: kubectl's order and words. Lines with tabs."""

from __future__ import annotations

import base64
from typing import Any

from podrun.cli.describe_pieces import annotation_lines, pairs

Json = dict[str, Any]

TOKEN_TYPE, TOKEN_KEY = "kubernetes.io/service-account-token", "token"


def heading(item: Json) -> list[str]:
    metadata = item["metadata"]
    lines = [f"Name:\t{metadata['name']}"]
    if "namespace" in metadata:
        lines.append(f"Namespace:\t{metadata['namespace']}")
    return [*lines, *pairs("Labels", metadata.get("labels")), *annotation_lines(metadata.get("annotations"))]


def config_map(config: Json) -> str:
    lines = [*heading(config), "", "Data", "===="]
    for key, value in sorted((config.get("data") or {}).items()):
        lines += [f"{key}:", "----", value, ""]
    lines += ["", "BinaryData", "===="]
    lines += [f"{key}: {_size(value)} bytes" for key, value in sorted((config.get("binaryData") or {}).items())]
    return "\n".join([*lines, ""]) + "\n"


def secret(found: Json) -> str:
    """What is secret is told by its size alone."""
    lines = [*heading(found), "", f"Type:\t{found.get('type', '')}", "", "Data", "===="]
    for key, value in sorted((found.get("data") or {}).items()):
        if key == TOKEN_KEY and found.get("type") == TOKEN_TYPE:
            lines.append(f"{key}:\t{base64.b64decode(value).decode(errors='replace')}")
        else:
            lines.append(f"{key}:\t{_size(value)} bytes")
    return "\n".join(lines) + "\n"


def service_account(account: Json) -> str:
    lines = heading(account)
    for title, key in (("Image pull secrets:", "imagePullSecrets"), ("Mountable secrets: ", "secrets")):
        names = [one.get("name", "") for one in account.get(key) or []] or ["<none>"]
        lines += [f"{title}\t{names[0]}", *(f"{' ' * len(title)}\t{name}" for name in names[1:])]
    return "\n".join([*lines, "Tokens:            \t<none>"]) + "\n"


def namespace(found: Json) -> str:
    status = found.get("status") or {}
    lines = [*heading(found), f"Status:\t{status.get('phase', '')}"]
    return "\n".join([*lines, "", "No resource quota.", "", "No LimitRange resource."]) + "\n"


def _size(encoded: str) -> int:
    return len(base64.b64decode(encoded))
