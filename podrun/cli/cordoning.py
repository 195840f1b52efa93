"""`cordon` and `uncordon` as commands: whether new pods are placed on the node."""

from __future__ import annotations

import json

import click

from podrun.cli import command as shared
from podrun.cli import resources
from podrun.cli.client import MERGE_PATCH
from podrun.cli.output import DRY_RUN_MARKS
from podrun.cli.resources import NODE
from podrun.errors import PodrunError


def verb(name: str, *, unschedulable: bool) -> click.Command:
    """The command `podrun NAME`, which sets spec.unschedulable so."""
    how = "unschedulable" if unschedulable else "schedulable"

    @click.command(
        name,
        cls=shared.Verb,
        synopsis="NODE [options]",
        examples=f"# Mark node vm as {how}\npodrun {name} vm",
        help=f"Mark node as {how}.",
    )
    @click.argument("names", nargs=-1)
    @shared.selector_option
    @shared.dry_run_option
    @click.pass_obj
    def command(session: shared.Session, names: tuple[str, ...], selector: str, dry_run: str) -> None:
        if bool(names) == bool(selector):
            said = "cannot specify both a node name and a --selector option" if names else f"USAGE: {name} NODE [flags]"
            raise PodrunError(f"{said}\nSee 'podrun {name} -h' for help and examples")
        client = session.client
        if selector:
            found = client.get(NODE.list_path(None), {"labelSelector": selector}).get("items") or []
        else:
            plain = (resources.targets([word])[0].names[0] if "/" in word else word for word in names)
            found = [client.get(NODE.path("", word)) for word in plain]
        for node in found:
            title = f"node/{node['metadata']['name']}"
            if bool(node["spec"].get("unschedulable")) == unschedulable:
                print(f"{title} already {name}ed{DRY_RUN_MARKS[dry_run]}", flush=True)
                continue
            if dry_run != "client":
                body = json.dumps({"spec": {"unschedulable": unschedulable or None}}).encode()
                query = {"dryRun": "All" if dry_run == "server" else None}
                path = NODE.path("", node["metadata"]["name"])
                client.ask("PATCH", path, query, body=body, content_type=MERGE_PATCH)
            print(f"{title} {name}ed{DRY_RUN_MARKS[dry_run]}", flush=True)

    return command
