"""`podrun create`: objects that must not be there yet, out of manifests or, in its own verbs, out of options."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import output, selecting, unserved
from podrun.cli.client import Client
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.resources import Resource
from podrun.cli.selecting import Named
from podrun.errors import PodrunError

EXAMPLES = """
# Create the pod in pod.yaml
podrun create -f pod.yaml

# Create a ConfigMap of two values
podrun create configmap settings --from-literal=color=red --from-literal=size=3

# Look at what would be created
podrun create secret generic key --from-file=id_rsa --dry-run=client -o yaml
"""


@click.command(
    "create",
    cls=shared.LazyFamily,
    synopsis="-f FILENAME [options]",
    examples=EXAMPLES,
    help="Create a resource from a file or from stdin.\n\n JSON and YAML formats are accepted.",
    modules={
        "configmap": ("create_configmap", "Create a ConfigMap from files, directories or literal values"),
        "namespace": ("create_namespace", "Create a namespace with the specified name"),
        "secret": ("create_secret", "Create a Secret of one of three kinds"),
        "serviceaccount": ("create_serviceaccount", "Create a service account with the specified name"),
    },
    instead=unserved.CREATED,
    aliases={"cm": "configmap", "ns": "namespace", "sa": "serviceaccount"},
)
@shared.filename_options
@shared.dry_run_option
@shared.output_option
@shared.namespace_option
@click.pass_context
def command(
    ctx: click.Context,
    filenames: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    form: str,
    namespace: str | None,
) -> None:
    session: shared.Session = ctx.obj
    if ctx.invoked_subcommand is not None:
        session.namespace = namespace or session.namespace
        return
    if not filenames:
        raise PodrunError("must specify one of -f and -k")
    client, doing = session.client, output.Doing(form, dry_run)
    named = selecting.in_files(client, filenames, recursive=recursive, namespace=session.chosen_namespace(namespace))
    if not named:
        raise PodrunError("no objects passed to create")
    failed = False
    for one in named:
        try:
            doing.done(one.title, "created", _created(client, one, dry_run))
        except StatusFailure as error:
            sys.stdout.flush()
            print(error.during(f'error when creating "{one.source}"').message, file=sys.stderr)
            failed = True
    if failed:
        raise QuietFailureError


def create(
    session: shared.Session, resource: Resource, name: str, fields: dict[str, Any], *, dry_run: str, form: str
) -> None:
    """Of `podrun create configmap` and its like: one object, made of options."""
    metadata = {"name": name}
    if resource.namespaced and (chosen := session.chosen_namespace(None)):
        metadata["namespace"] = chosen
    manifest = {"apiVersion": "v1", "kind": resource.kind, "metadata": metadata, **fields}
    one = Named(resource, session.namespace_of(None), name, manifest)
    doing = output.Doing(form, dry_run)
    try:
        doing.done(one.title, "created", _created(session.client, one, dry_run))
    except StatusFailure as error:
        raise error.during(f"failed to create {resource.singular}") from None


def one_name(names: tuple[str, ...], verb: str) -> str:
    """PodrunError: none, or several."""
    if len(names) != 1:
        raise PodrunError(
            f"exactly one NAME is required, got {len(names)}\nSee 'podrun create {verb} -h' for help and examples"
        )
    return names[0]


def _created(client: Client, one: Named, dry_run: str) -> dict[str, Any]:
    if dry_run == "client":
        return one.manifest or {}
    query = {"dryRun": "All" if dry_run == "server" else None}
    body = json.dumps(one.manifest).encode()
    return dict(client.ask("POST", one.resource.list_path(one.namespace), query, body=body))
