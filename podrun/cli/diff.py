"""`podrun diff`: what `apply` would change, shown by diff(1) or by $KUBECTL_EXTERNAL_DIFF."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import manifests, resources, yaml_text
from podrun.cli.client import APPLY_PATCH, Client
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.errors import PodrunError

EXAMPLES = """
# Show what applying pod.yaml would change
podrun diff -f pod.yaml

# The same for what another command writes
cat pod.json | podrun diff -f -
"""

DIFFERENT, FAILED = 1, 2
EXTERNAL = "KUBECTL_EXTERNAL_DIFF"
MASK = "***"
MEMORY = "kubectl.kubernetes.io/last-applied-configuration"

Json = dict[str, Any]


@click.command(
    "diff",
    cls=shared.Verb,
    synopsis="-f FILENAME [options]",
    examples=EXAMPLES,
    help="Diff the live version against what it would be if the file were applied.\n\n"
    f" The environment variable {EXTERNAL} names another program than diff, with its options.\n"
    " Exit code: 0 no differences, 1 differences, >1 an error.",
)
@shared.filename_options
@shared.namespace_option
@click.pass_obj
def command(session: shared.Session, filenames: tuple[str, ...], recursive: bool, namespace: str | None) -> int:
    try:
        if not filenames:
            raise PodrunError("must specify one of -f and -k")
        pairs = list(_pairs(session.client, filenames, recursive, session.chosen_namespace(namespace)))
        return _shown(pairs)
    except QuietFailureError:
        raise
    except PodrunError as error:
        sys.stdout.flush()
        print(error.message if isinstance(error, StatusFailure) else f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        raise QuietFailureError(FAILED) from None


def _pairs(
    client: Client, filenames: tuple[str, ...], recursive: bool, namespace: str | None
) -> list[tuple[str, Json | None, Json]]:
    """For every object: its file's name, how it is, and how it would be."""
    found = []
    for manifest in manifests.read(filenames, recursive=recursive):
        if not manifest.content.strip():
            continue
        query = {"namespace": namespace, "dryRun": "All"}
        answer = client.ask("PATCH", "/podrun/v1/apply", query, body=manifest.content, content_type=APPLY_PATCH)
        for one in answer["results"]:
            if status := one.get("error"):
                raise StatusFailure(status)
            if not one.get("object"):
                continue
            resource = resources.of_kind(one["kind"])
            try:
                live: Json | None = client.get(resource.path(one["namespace"], one["name"]))
            except StatusFailure as error:
                if error.reason != "NotFound":
                    raise
                live = None
            name = ".".join(part for part in ("v1", one["kind"], one["namespace"], one["name"]) if part)
            found.append((name, *masked(live and _bare(live), _bare(one["object"]))))
    return found


def _bare(found: Json) -> Json:
    """Without the annotation that apply keeps its memory in: it always changes."""
    annotations = {key: value for key, value in (found["metadata"].get("annotations") or {}).items() if key != MEMORY}
    metadata = {key: value for key, value in found["metadata"].items() if key != "annotations"}
    return {**found, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def masked(live: Json | None, merged: Json) -> tuple[Json | None, Json]:
    """A Secret's values are not shown, only that they differ."""
    if merged.get("kind") != "Secret":
        return live, merged
    before, after = (live or {}).get("data") or {}, merged.get("data") or {}
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    hidden = {"data": {key: f"{MASK} (after)" if key in changed else MASK for key in after}}
    shown = {"data": {key: f"{MASK} (before)" if key in changed else MASK for key in before}}
    return None if live is None else {**live, **shown}, {**merged, **hidden}


def _shown(pairs: list[tuple[str, Json | None, Json]]) -> int:
    with tempfile.TemporaryDirectory(prefix="podrun-diff-") as directory:
        places = [Path(directory, name) for name in ("LIVE", "MERGED")]
        for place in places:
            place.mkdir()
        for name, live, merged in pairs:
            for place, value in zip(places, (live, merged), strict=True):
                if value is not None:
                    (place / name).write_text(yaml_text.of(value))
        program = os.environ.get(EXTERNAL, "").split() or ["diff", "-u", "-N"]
        sys.stdout.flush()
        try:
            code = subprocess.run([*program, *map(str, places)]).returncode
        except OSError as error:
            raise PodrunError(f'failed to run "{program[0]}": {error.strerror}') from error
    if code > DIFFERENT or code < 0:
        raise PodrunError(f'failed to run "{program[0]}": exit status {code}')
    if code:
        raise QuietFailureError(DIFFERENT)
    return 0
