"""`label` and `annotate` as commands: the same options and examples, about another kind of mark."""

from __future__ import annotations

import click

from podrun.cli import command as shared
from podrun.cli import marks
from podrun.cli.selecting import Choice

EXAMPLES = """
# Set {article} {word} of a pod
podrun {verb} pod web tier=front

# Change one that is there already
podrun {verb} --overwrite pod web tier=back

# Take one away
podrun {verb} pod web tier-

# Set one on all pods of the namespace, or on what a manifest names
podrun {verb} pods --all status=checked
podrun {verb} -f pod.yaml status=checked

# List them
podrun {verb} pod web --list
"""


def verb(name: str, mark: marks.Mark) -> click.Command:
    """The command `podrun NAME`, which sets, changes and removes marks of this kind."""
    article = "an" if mark.word[0] in "aeiou" else "a"

    @click.command(
        name,
        cls=shared.Verb,
        synopsis="[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [KEY_N-] [options]",
        examples=EXAMPLES.format(verb=name, word=mark.word, article=article),
        help=f"Update the {mark.field} on a resource.",
    )
    @shared.choice_options
    @click.option(
        "--overwrite",
        is_flag=True,
        help=f"If true, allow {mark.field} to be overwritten, otherwise reject such updates.",
    )
    @click.option("--list", "show", is_flag=True, help=f"If true, display the {mark.field} for a given resource.")
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
        marks.run(session.client, mark, choice, manner)

    return command
