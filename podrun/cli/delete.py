"""`podrun delete`: by name, label or file; waits until what it deleted is gone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from podrun.cli import command as shared
from podrun.cli import manifests, resources
from podrun.cli.client import APPLY_PATCH, Client
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.resources import Resource
from podrun.errors import PodrunError

EXAMPLES = """
# Delete a pod
podrun delete pod web

# Delete what is named in pod.yaml
podrun delete -f pod.yaml

# Delete pods by label, with one second to end
podrun delete pods -l app=web --now

# Delete all pods of the namespace
podrun delete pods --all
"""

WARNING = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)
NOTHING_NAMED = """You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""


@dataclass(frozen=True, slots=True)
class Doomed:
    resource: Resource
    namespace: str
    name: str
    uid: str = ""


@click.command(
    "delete",
    cls=shared.Verb,
    synopsis="([-f FILENAME] | TYPE [(NAME | -l label | --all)]) [options]",
    examples=EXAMPLES,
    help="Delete resources by file names, stdin, resources and names, or by resources and label selector.\n\n"
    " A pod has its grace period to end: SIGTERM first, SIGKILL when the period is over.",
)
@click.argument("arguments", nargs=-1)
@shared.filename_options
@click.option("--all", "every", is_flag=True, help="Delete all resources of the type, in the namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="With --all or -l: in all namespaces.")
@shared.selector_option
@click.option("--field-selector", default="", help="Selector (field query) to filter on, supports '=', '==', and '!='.")
@click.option(
    "--grace-period",
    type=int,
    default=-1,
    help="Seconds given to the resource to terminate gracefully. Ignored if negative. "
    "Can only be set to 0 when --force is true.",
)
@click.option("--now", is_flag=True, help="Signaled for immediate shutdown (same as --grace-period=1).")
@click.option("--force", is_flag=True, help="Kill at once and bypass graceful deletion.")
@click.option("--wait/--no-wait", default=True, help="Wait for resources to be gone before returning.")
@shared.timeout_option("0s", "How long to wait before giving up on a delete; zero: without end.")
@click.option("--ignore-not-found", is_flag=True, help='Treat "resource not found" as a successful delete.')
@click.option("-o", "--output", "form", default="", help='Use "-o name" for shorter output (resource/name).')
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    every: bool,
    all_namespaces: bool,
    selector: str,
    field_selector: str,
    grace_period: int,
    now: bool,
    force: bool,
    wait: bool,
    timeout: float,
    ignore_not_found: bool,
    form: str,
    namespace: str | None,
) -> None:
    grace = _grace(grace_period, now=now, force=force)
    if form not in ("", "name"):
        raise PodrunError(f"unexpected -o output mode: \"{form}\". We only support '-o name'")
    client = session.client
    by_selector = bool(every or selector or field_selector)
    if filenames:
        if arguments or by_selector:
            raise PodrunError("cannot set --all, a selector or names and -f at the same time")
        doomed = _in_files(client, filenames, recursive, session.chosen_namespace(namespace))
    elif not arguments:
        raise PodrunError(NOTHING_NAMED)
    else:
        targets = resources.targets(arguments)
        where = session.namespace_of(namespace)
        named = [Doomed(target.resource, where, name) for target in targets for name in target.names]
        if named and by_selector:
            raise PodrunError("name cannot be provided when a selector is specified")
        if not named and not by_selector:
            raise PodrunError("resource(s) were provided, but no name was specified")
        if all_namespaces and named:
            raise PodrunError("a resource cannot be retrieved by name across all namespaces")
        query = {"labelSelector": selector, "fieldSelector": field_selector}
        doomed = named or _selected(client, targets, None if all_namespaces else where, query)
        ignore_not_found = ignore_not_found or by_selector
    if force:
        print(WARNING, file=sys.stderr)
    _delete_all(
        client, doomed, grace, _Manner(form, "force deleted" if force else "deleted", wait, timeout, ignore_not_found)
    )


def _grace(period: int, *, now: bool, force: bool) -> int | None:
    """Seconds; None: what the object says itself. kubectl's rules of how these three go together."""
    if now and period >= 0:
        raise PodrunError("--now and --grace-period cannot be specified together")
    if force and period > 0:
        raise PodrunError("--force and --grace-period greater than 0 cannot be specified together")
    if now and force:
        return 0
    if now:
        return 1
    if force:
        return 0
    return None if period < 0 else max(period, 1)


def _in_files(client: Client, filenames: Sequence[str], recursive: bool, namespace: str | None) -> list[Doomed]:
    doomed = []
    for manifest in manifests.read(filenames, recursive=recursive):
        if not manifest.content.strip():
            continue
        query = {"namespace": namespace}
        try:
            answer = client.ask("POST", "/podrun/v1/decode", query, body=manifest.content, content_type=APPLY_PATCH)
        except StatusFailure as error:
            raise error.during(f'error when reading "{manifest.source}"') from None
        named = answer["results"]
        doomed += [Doomed(resources.of_kind(one["kind"]), one["namespace"], one["name"]) for one in named]
    if not doomed:
        raise PodrunError("no objects passed to delete")
    return doomed


def _selected(
    client: Client, targets: Sequence[resources.Target], namespace: str | None, query: dict[str, str]
) -> list[Doomed]:
    doomed = []
    for target in targets:
        for item in client.get(target.resource.list_path(namespace), query).get("items") or []:
            metadata = item["metadata"]
            doomed.append(
                Doomed(target.resource, metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""))
            )
    if not doomed:
        print("No resources found")
    return doomed


@dataclass(frozen=True, slots=True)
class _Manner:
    form: str
    word: str
    wait: bool
    timeout: float
    ignore_not_found: bool


def _delete_all(client: Client, doomed: Sequence[Doomed], grace: int | None, manner: _Manner) -> None:
    failed = False
    awaited = []
    for one in doomed:
        try:
            answer = client.ask("DELETE", one.resource.path(one.namespace, one.name), {"gracePeriodSeconds": grace})
        except StatusFailure as error:
            if error.reason == "NotFound" and manner.ignore_not_found:
                continue
            failed = True
            sys.stdout.flush()
            print(error.message, file=sys.stderr)
            continue
        uid = (answer.get("metadata") or {}).get("uid", "")
        awaited.append(Doomed(one.resource, one.namespace, one.name, uid))
        if manner.form == "name":
            print(f"{one.resource.singular}/{one.name}", flush=True)
        else:
            print(f'{one.resource.singular} "{one.name}" {manner.word}', flush=True)
    if manner.wait and awaited:
        from podrun.cli import watching

        watching.await_gone(
            client, [(one.resource, one.namespace, one.name, one.uid) for one in awaited], manner.timeout
        )
    if failed:
        raise QuietFailureError
