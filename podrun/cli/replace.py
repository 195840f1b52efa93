"""`podrun replace`: puts manifests in the place of what is there; with --force by deleting it first."""

from __future__ import annotations

import json
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import output, selecting, watching
from podrun.cli.client import Client
from podrun.cli.failures import StatusFailure
from podrun.cli.selecting import Named
from podrun.errors import PodrunError

EXAMPLES = """
# Replace a ConfigMap using the data in settings.yaml
podrun replace -f settings.yaml

# Replace a pod: delete it, wait until it is gone, and create it anew
podrun replace --force -f pod.yaml
"""


@click.command(
    "replace",
    cls=shared.Verb,
    synopsis="-f FILENAME [options]",
    examples=EXAMPLES,
    help="Replace a resource by file name or stdin. The complete resource must be provided.\n\n"
    " JSON and YAML formats are accepted.",
)
@shared.filename_options
@click.option("--force", is_flag=True, help="Delete first, and then create anew.")
@click.option("--grace-period", type=int, default=-1, help="With --force: seconds given to terminate gracefully.")
@shared.timeout_option("0s", "With --force: how long to wait until it is gone; zero: without end.")
@shared.dry_run_option
@shared.output_option
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    filenames: tuple[str, ...],
    recursive: bool,
    force: bool,
    grace_period: int,
    timeout: float,
    dry_run: str,
    form: str,
    namespace: str | None,
) -> None:
    if not filenames:
        raise PodrunError("must specify one of -f and -k")
    if force and dry_run != "none":
        raise PodrunError("--dry-run can not be used when --force is set")
    if grace_period >= 0 and not force:
        raise PodrunError("--grace-period must have --force specified")
    client, doing = session.client, output.Doing(form, dry_run)
    named = selecting.in_files(client, filenames, recursive=recursive, namespace=session.chosen_namespace(namespace))
    if not named:
        raise PodrunError("no objects passed to replace")
    if force:
        _delete(client, named, None if grace_period < 0 else grace_period, timeout)
    for one in named:
        try:
            doing.done(one.title, "replaced", _sent(client, one, force=force, dry_run=dry_run))
        except StatusFailure as error:
            raise error.during(f'error when {"creating" if force else "replacing"} "{one.source}"') from None


def _sent(client: Client, one: Named, *, force: bool, dry_run: str) -> dict[str, Any]:
    if dry_run == "client":
        return one.manifest or {}
    body, query = json.dumps(one.manifest).encode(), {"dryRun": "All" if dry_run == "server" else None}
    if force:
        return dict(client.ask("POST", one.resource.list_path(one.namespace), query, body=body))
    return dict(client.ask("PUT", one.path, query, body=body))


def _delete(client: Client, named: list[Named], grace: int | None, timeout: float) -> None:
    gone = []
    for one in named:
        try:
            before = client.get(one.path)
            client.ask("DELETE", one.path, {"gracePeriodSeconds": grace})
        except StatusFailure as error:
            if error.reason != "NotFound":
                raise
            continue
        print(f'{one.resource.singular} "{one.name}" deleted', flush=True)
        gone.append((one.resource, one.namespace, one.name, str(before["metadata"].get("uid", ""))))
    watching.await_gone(client, gone, timeout)
