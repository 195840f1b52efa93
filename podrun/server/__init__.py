"""The HTTP face of the kubelet: Kubernetes' REST paths on a unix socket."""

from __future__ import annotations

import ssl


def _import_aiohttp() -> None:
    """Its client, which nobody here uses, would read all certificates of the machine at once: 20 ms, 2 MiB."""
    usual = ssl.create_default_context
    ssl.create_default_context = lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # type: ignore[assignment, misc]
    try:
        import aiohttp  # noqa: F401
    finally:
        ssl.create_default_context = usual


_import_aiohttp()
