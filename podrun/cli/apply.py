"""`podrun apply`: sends manifests as they are; what they mean is decided by the server."""

from __future__ import annotations

import sys
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import manifests, output, resources
from podrun.cli.client import APPLY_PATCH, Client
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.plain_text import plain
from podrun.errors import PodrunError

EXAMPLES = """
# Run the pod in pod.yaml
podrun apply pod.yaml

# Run it and wait until it is ready, or has succeeded
podrun apply -f pod.yaml --wait

# Apply all manifests of a directory
podrun apply -f ./manifests/

# Apply what another command writes
cat pod.json | podrun apply -f -
"""


@click.command(
    "apply",
    cls=shared.Verb,
    synopsis="(FILE | -f FILENAME) [options]",
    examples=EXAMPLES,
    help="Apply a manifest to the machine, by file name or stdin. Objects that do not exist yet are created.\n\n"
    " JSON and YAML formats are accepted.",
)
@click.argument("files", nargs=-1)
@shared.filename_options
@shared.namespace_option
@click.option("--wait/--no-wait", help="Wait until all pods are ready or have succeeded.")
@shared.timeout_option("5m", "How long to wait with --wait.")
@click.option("--prune", is_flag=True, hidden=True)
@click.option("--server-side", is_flag=True, hidden=True)
@click.option("--force", is_flag=True, hidden=True)
@click.option("--validate", cls=shared.OptionalValue, alone="strict", default="strict", hidden=True)
@shared.dry_run_option
@shared.output_option
@click.pass_obj
def command(
    session: shared.Session,
    files: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    namespace: str | None,
    wait: bool,
    timeout: float,
    prune: bool,
    server_side: bool,
    force: bool,
    validate: str,
    dry_run: str,
    form: str,
) -> None:
    if prune:
        raise PodrunError("cannot prune: podrun deletes only what it is told to", hint="podrun delete -l label=value")
    if server_side:
        raise PodrunError("cannot apply with --server-side: podrun keeps no managed fields")
    if force:
        raise PodrunError("cannot apply with --force: apply deletes nothing", hint="podrun replace --force -f FILE")
    if validate not in ("strict", "true"):
        raise PodrunError(f"cannot apply with --validate={validate}: podrun checks every field of every manifest")
    say = output.Doing(form, dry_run)
    if not files and not filenames:
        raise PodrunError("must specify a file: podrun apply FILE | -f FILE", hint="podrun apply -h shows examples")
    client = session.client
    applied: list[dict[str, Any]] = []
    failed = False
    for manifest in list(manifests.read([*filenames, *files], recursive=recursive)):
        try:
            found, refused = _apply(client, manifest, session.chosen_namespace(namespace), dry_run, say)
        except StatusFailure as error:
            found, refused = [], [error]
        applied += found
        sys.stdout.flush()
        for failure in refused:
            _complain(failure)
            failed = True
    if failed:
        raise QuietFailureError
    if not applied:
        raise PodrunError("no objects passed to apply")
    if wait and dry_run == "none":
        from podrun.cli import readiness

        readiness.wait(client, [one["object"] for one in applied if one["kind"] == "Pod"], timeout)


def _apply(
    client: Client, manifest: manifests.Manifest, namespace: str | None, dry_run: str, say: output.Doing
) -> tuple[list[dict[str, Any]], list[StatusFailure]]:
    """The objects that were applied, after saying so, and the failures of the others."""
    doing = f'error when creating "{manifest.source}"'
    if not manifest.content.strip():
        return [], []
    try:
        query = {"namespace": namespace, "dryRun": "All" if dry_run != "none" else None}
        answer = client.ask("PATCH", "/podrun/v1/apply", query, body=manifest.content, content_type=APPLY_PATCH)
    except StatusFailure as error:
        raise error.during(doing) from None
    applied, refused = [], []
    for one in answer["results"]:
        for warning in one.get("warnings") or []:
            print(f"Warning: {plain(warning)}", file=sys.stderr)
        if status := one.get("error"):
            refused.append(StatusFailure(status, doing))
        elif one.get("result"):
            say.done(f"{_singular(one['kind'])}/{one['name']}", one["result"], one["object"])
            applied.append(one)
    return applied, refused


def _singular(kind: str) -> str:
    try:
        return resources.of_kind(kind).singular
    except PodrunError:
        return kind.lower()


def _complain(error: StatusFailure) -> None:
    print(error.message, file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
