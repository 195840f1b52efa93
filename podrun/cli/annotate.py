"""`podrun annotate`: sets, changes and removes annotations."""

from __future__ import annotations

import click

from podrun.cli import command as shared
from podrun.cli import marks
from podrun.cli.selecting import Choice

EXAMPLES = """
# Set an annotation of a pod
podrun annotate pod web tier=front

# Change one that is there already
podrun annotate --overwrite pod web tier=back

# Take one away
podrun annotate pod web tier-

# Set one on all pods of the namespace, or on what a manifest names
podrun annotate pods --all status=checked
podrun annotate -f pod.yaml status=checked

# List them
podrun annotate pod web --list
"""


@click.command(
    "annotate",
    cls=shared.Verb,
    synopsis="[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [KEY_N-] [options]",
    examples=EXAMPLES,
    help="Update the annotations on a resource.",
)
@shared.choice_options
@click.option(
    "--overwrite", is_flag=True, help="If true, allow annotations to be overwritten, otherwise reject such updates."
)
@click.option("--list", "show", is_flag=True, help="If true, display the annotations for a given resource.")
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
    marks.run(session.client, marks.ANNOTATION, choice, manner)
