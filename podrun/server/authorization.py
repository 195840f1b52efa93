"""What `kubectl auth can-i` and `auth whoami` ask: who reaches the socket is root, and may do everything.

The bodies say nothing that the answers depend on, so they are not even read.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from podrun.server import answers

VERSION = "authorization.k8s.io/v1"
IDENTITY_VERSION = "authentication.k8s.io/v1"


async def review_access(request: web.Request) -> web.StreamResponse:
    """SelfSubjectAccessReview."""
    return _answer("SelfSubjectAccessReview", {"allowed": True}, VERSION)


async def review_rules(request: web.Request) -> web.StreamResponse:
    """SelfSubjectRulesReview."""
    everything = ["*"]
    status = {
        "resourceRules": [{"verbs": everything, "apiGroups": everything, "resources": everything}],
        "nonResourceRules": [{"verbs": everything, "nonResourceURLs": everything}],
        "incomplete": False,
    }
    return _answer("SelfSubjectRulesReview", status, VERSION)


async def review_identity(request: web.Request) -> web.StreamResponse:
    """SelfSubjectReview."""
    user = {"username": "root", "groups": ["system:masters"]}
    return _answer("SelfSubjectReview", {"userInfo": user}, IDENTITY_VERSION)


def _answer(kind: str, status: object, version: str) -> web.Response:
    body = {"kind": kind, "apiVersion": version, "metadata": {}, "spec": {}, "status": status}
    return web.Response(body=msgspec.json.encode(body), status=201, content_type=answers.JSON)
