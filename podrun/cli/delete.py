"""`podrun delete`: by name, label or file; waits until what it deleted is gone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from podrun.cli import command as shared
from podrun.cli import output, selecting
from podrun.cli.client import Client
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.selecting import Choice, Named
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

# Delete them if I say yes
podrun delete pods --all --interactive
"""

WARNING = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)


@click.command(
    "delete",
    cls=shared.Verb,
    synopsis="([-f FILENAME] | TYPE [(NAME | -l label | --all)]) [options]",
    examples=EXAMPLES,
    help="Delete resources by file names, stdin, resources and names, or by resources and label selector.\n\n"
    " A pod has its grace period to end: SIGTERM first, SIGKILL when the period is over.",
)
@shared.choice_options
@click.option(
    "--grace-period",
    type=int,
    default=-1,
    help="Seconds given to the resource to terminate gracefully. Ignored if negative. "
    "Can only be set to 0 when --force is true.",
)
@click.option("--now", is_flag=True, help="Signaled for immediate shutdown (same as --grace-period=1).")
@click.option("--force", is_flag=True, help="Kill at once and bypass graceful deletion.")
@click.option(
    "--cascade",
    cls=shared.OptionalValue,
    alone="background",
    default="background",
    callback=lambda ctx, parameter, value: _check_cascade(value),
    expose_value=False,
    help='Must be "background" or "foreground": what an object owns goes with it, and is not left behind ("orphan").',
)
@click.option("-i", "--interactive", is_flag=True, help="If true, delete resource only when user confirms.")
@click.option("--wait/--no-wait", default=True, help="Wait for resources to be gone before returning.")
@shared.timeout_option("0s", "How long to wait before giving up on a delete; zero: without end.")
@click.option("--ignore-not-found", is_flag=True, help='Treat "resource not found" as a successful delete.')
@click.option("-o", "--output", "form", default="", help='Use "-o name" for shorter output (resource/name).')
@shared.dry_run_option
@click.pass_obj
def command(
    session: shared.Session,
    choice: Choice,
    grace_period: int,
    now: bool,
    force: bool,
    interactive: bool,
    wait: bool,
    timeout: float,
    ignore_not_found: bool,
    form: str,
    dry_run: str,
) -> None:
    grace = _grace(grace_period, now=now, force=force)
    if form not in ("", "name"):
        raise PodrunError(f"unexpected -o output mode: \"{form}\". We only support '-o name'")
    if choice.every and (choice.selector or choice.field_selector):
        raise PodrunError("setting 'all' parameter but found a non empty selector. ")
    client = session.client
    doomed = selecting.find(client, choice)
    if choice.filenames and not doomed:
        raise PodrunError("no objects passed to delete")
    if not doomed:
        print("No resources found")
    elif interactive and not _confirmed(doomed):
        print("deletion is cancelled")
        return
    if force:
        print(WARNING, file=sys.stderr)
    word = ("force deleted" if force else "deleted") + output.DRY_RUN_MARKS[dry_run]
    wait = wait and dry_run == "none"
    manner = _Manner(form, word, wait, timeout, ignore_not_found or choice.by_selector, dry_run)
    _delete_all(client, doomed, grace, manner)


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


def _check_cascade(value: str) -> None:
    if value == "orphan":
        raise PodrunError("cannot delete with --cascade=orphan: what a pod owns goes with it")
    if value not in ("background", "foreground"):
        raise PodrunError(f'invalid cascade value ({value}). Must be "background", "foreground", or "orphan"')


def _confirmed(doomed: Sequence[Named]) -> bool:
    """Whether the user answers y or yes."""
    print(f"You are about to delete the following {len(doomed)} resource(s):")
    for one in doomed:
        print(one.title)
    print("Do you want to continue? (y/n): ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class _Manner(NamedTuple):
    form: str
    word: str
    wait: bool
    timeout: float
    ignore_not_found: bool
    dry_run: str


def _delete_all(client: Client, doomed: Sequence[Named], grace: int | None, manner: _Manner) -> None:
    failed = False
    awaited = []
    for one in doomed:
        try:
            answer = _deleted(client, one, grace, manner.dry_run)
        except StatusFailure as error:
            if error.reason == "NotFound" and manner.ignore_not_found:
                continue
            failed = True
            sys.stdout.flush()
            said = error.during(f'error when deleting "{one.source}"') if one.source else error
            print(said.message, file=sys.stderr)
            continue
        uid = str((answer.get("metadata") or {}).get("uid", ""))
        awaited.append((one.resource, one.namespace, one.name, uid))
        if manner.form == "name":
            print(one.title, flush=True)
        else:
            print(f'{one.resource.singular} "{one.name}" {manner.word}', flush=True)
    if manner.wait and awaited:
        from podrun.cli import watching

        watching.await_gone(client, awaited, manner.timeout)
    if failed:
        raise QuietFailureError


def _deleted(client: Client, one: Named, grace: int | None, dry_run: str) -> dict[str, Any]:
    if dry_run == "client":
        return dict(client.get(one.path))
    return dict(
        client.ask("DELETE", one.path, {"gracePeriodSeconds": grace, "dryRun": "All" if dry_run == "server" else None})
    )
