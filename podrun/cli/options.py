"""`podrun options`: what may stand before or after any verb, and the settings in the environment."""

from __future__ import annotations

import click

from podrun.cli import command as shared
from podrun.paths import Paths

TEXT = """The following options can be passed to any command:

    -n, --namespace='':
\tThe namespace of the request.

    -h, --help=false:
\tHelp for the command.

    --debug=false:
\tShow where an unexpected error comes from.

Settings of the instance, in the environment:
"""


@click.command("options", cls=shared.Verb, help="Print the list of flags inherited by all commands.")
def command() -> None:
    settings = Paths.from_environment().environment()
    click.echo(TEXT + "\n".join(f"    {name}={value}" for name, value in settings.items()))
