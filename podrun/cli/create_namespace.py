"""`podrun create namespace`."""

from __future__ import annotations

import click

from podrun.cli import command as shared
from podrun.cli import create, resources

EXAMPLES = """
# Create a namespace named mine
podrun create namespace mine
"""


@click.command(
    "namespace",
    cls=shared.Verb,
    synopsis="NAME [--dry-run=server|client|none] [options]",
    examples=EXAMPLES,
    help="Create a namespace with the specified name.",
)
@click.argument("names", nargs=-1)
@shared.dry_run_option
@shared.output_option
@shared.namespace_option
@click.pass_obj
def command(session: shared.Session, names: tuple[str, ...], dry_run: str, form: str, namespace: str | None) -> None:
    name = create.one_name(names, "namespace")
    session.namespace = namespace or session.namespace
    create.create(session, resources.NAMESPACE, name, {}, dry_run=dry_run, form=form)
