"""`podrun run --overrides`: what JSON of the user's makes of the pod, by the server's rules of patches. Pure."""

from __future__ import annotations

import json
from typing import Any

from podrun.errors import PodrunError

TYPES = ("json", "merge", "strategic")


def applied(pod: dict[str, Any], overrides: str, how: str) -> dict[str, Any]:
    """The pod after `overrides`. PodrunError: no JSON, a patch that does not fit, or something that is no pod then."""
    from podrun.server import json_patch, merging

    if how not in TYPES:
        raise PodrunError(f"invalid override type: {how}")
    wanted: Any
    try:
        wanted = json.loads(overrides)
    except ValueError:
        raise PodrunError("Invalid JSON Patch") from None
    if not isinstance(wanted, list if how == "json" else dict):
        raise PodrunError("Invalid JSON Patch")
    try:
        match how:
            case "json":
                result: Any = json_patch.apply(pod, list(wanted))
            case "strategic":
                result = merging.strategic_merge_patch(pod, wanted)
            case _:
                result = merging.merge_patch(pod, wanted)
    except json_patch.PatchError as error:
        raise PodrunError(str(error)) from None
    return _checked(result)


def _checked(result: Any) -> dict[str, Any]:
    """What is left of it, as far as `run` itself looks at it; all else is checked by the server."""
    if not isinstance(result, dict) or (result.get("apiVersion"), result.get("kind")) != ("v1", "Pod"):
        raise PodrunError("the overrides must leave it a Pod of version v1")
    name = (result.get("metadata") or {}).get("name") if isinstance(result.get("metadata"), dict) else None
    if not isinstance(name, str) or not isinstance(result.get("spec"), dict):
        raise PodrunError("the overrides must leave the Pod its metadata.name and its spec")
    return result
