"""`podrun label`: sets, changes and removes labels."""

from __future__ import annotations

import click

from podrun.cli import command as shared
from podrun.cli import marks
from podrun.cli.selecting import Choice

EXAMPLES = """
# Set a label of a pod
podrun label pod web tier=front

# Change one that is there already
podrun label --overwrite pod web tier=back

# Take one away
podrun label pod web tier-

# Set one on all pods of the namespace, or on what a manifest names
podrun label pods --all status=checked
podrun label -f pod.yaml status=checked

# List them
podrun label pod web --list
"""


@click.command(
    "label",
    cls=shared.Verb,
    synopsis="[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [KEY_N-] [options]",
    examples=EXAMPLES,
    help="Update the labels on a resource.",
)
@shared.choice_options
@click.option(
    "--overwrite", is_flag=True, help="If true, allow labels to be overwritten, otherwise reject such updates."
)
@click.option("--list", "show", is_flag=True, help="If true, display the labels for a given resource.")
@click.option("--resource-version", default="", help="Only update a single resource of this resource version.")
@shared.dry_run_option
@shared.output_option
@click.pass_obj
def command(
    session: shared.Session,
    choice: Choice,
    overwrite: bool,
    show: bool,
    resource_version: str,
    dry_run: str,
    form: str,
) -> None:
    manner = marks.Manner(overwrite, show, resource_version, dry_run, form)
    marks.run(session.client, marks.LABEL, choice, manner)
