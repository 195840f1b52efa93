"""`podrun taint`: sets, changes and removes taints of the node."""

from __future__ import annotations

import json

import click

from podrun.cli import command as shared
from podrun.cli import output, resources, selecting, taints
from podrun.cli.client import MERGE_PATCH
from podrun.cli.selecting import Choice
from podrun.errors import PodrunError

EXAMPLES = """
# Keep new pods away that do not tolerate it
podrun taint nodes vm dedicated=db:NoSchedule

# Drive out those that are there, too
podrun taint nodes vm dedicated=db:NoExecute

# Take one away, or all of this key
podrun taint nodes vm dedicated:NoSchedule-
podrun taint nodes vm dedicated-
"""


@click.command(
    "taint",
    cls=shared.Verb,
    synopsis="NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N [options]",
    examples=EXAMPLES,
    help="Update the taints on one or more nodes.\n\n The effect must be NoSchedule, PreferNoSchedule or NoExecute.",
)
@click.argument("arguments", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Select all nodes.")
@click.option("--overwrite", is_flag=True, help="If true, allow taints to be overwritten, otherwise reject that.")
@shared.selector_option
@shared.dry_run_option
@shared.output_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    every: bool,
    overwrite: bool,
    selector: str,
    dry_run: str,
    form: str,
) -> None:
    first = next((at for at, word in enumerate(arguments) if taints.is_change(word)), len(arguments))
    if not first:
        raise PodrunError("one or more resources must be specified as <resource> <name>")
    for target in resources.targets(arguments[:first]):
        if target.resource is not resources.NODE:
            raise PodrunError(f"invalid resource type {target.resource.singular}, only node types are supported")
    changes = taints.read(arguments[first:])
    client, doing = session.client, output.Doing(form, dry_run)
    query = {"dryRun": "All" if dry_run != "none" else None}
    for one in selecting.find(client, Choice(arguments[:first], selector=selector, every=every)):
        live = client.get(one.path)
        wanted, word = taints.changed(one.name, live["spec"].get("taints") or [], changes, overwrite=overwrite)
        # With the version, so that nobody else's change in between is lost.
        patch = {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}, "spec": {"taints": wanted}}
        after = client.ask("PATCH", one.path, query, body=json.dumps(patch).encode(), content_type=MERGE_PATCH)
        doing.done(one.title, word, after)
