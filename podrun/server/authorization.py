"""authorization.k8s.io/v1 as far as `kubectl auth can-i` asks it: who reaches the socket may do everything."""

from __future__ import annotations

import msgspec
from aiohttp import web

from podrun.server import answers

VERSION = "authorization.k8s.io/v1"


async def review_access(request: web.Request) -> web.StreamResponse:
    """SelfSubjectAccessReview. What is asked does not matter, so it is not even read."""
    return _answer("SelfSubjectAccessReview", {"allowed": True})


async def review_rules(request: web.Request) -> web.StreamResponse:
    """SelfSubjectRulesReview."""
    everything = ["*"]
    status = {
        "resourceRules": [{"verbs": everything, "apiGroups": everything, "resources": everything}],
        "nonResourceRules": [{"verbs": everything, "nonResourceURLs": everything}],
        "incomplete": False,
    }
    return _answer("SelfSubjectRulesReview", status)


def _answer(kind: str, status: object) -> web.Response:
    body = {"kind": kind, "apiVersion": VERSION, "metadata": {}, "spec": {}, "status": status}
    return web.Response(body=msgspec.json.encode(body), status=201, content_type=answers.JSON)
