"""`podrun create configmap`: of files, directories, literal values and environment files."""

from __future__ import annotations

import base64
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import create, resources, sources

EXAMPLES = """
# Create a ConfigMap of two values
podrun create configmap settings --from-literal=color=red --from-literal=size=3

# Create one with a key for each file of a directory, or for one file under another name
podrun create configmap settings --from-file=./etc/
podrun create configmap settings --from-file=app.conf=./etc/app-2.conf

# Create one of the lines KEY=VALUE of a file
podrun create configmap settings --from-env-file=./app.env
"""


@click.command(
    "configmap",
    cls=shared.Verb,
    synopsis="NAME [--from-file=[key=]source] [--from-literal=key1=value1] [--dry-run=server|client|none] [options]",
    examples=EXAMPLES,
    help="Create a ConfigMap based on a file, directory, or specified literal value.",
)
@click.argument("names", nargs=-1)
@click.option("--from-literal", "literals", multiple=True, help="A key and its literal value (key=value).")
@click.option("--from-file", "files", multiple=True, help="A file, a directory, or key=file.")
@click.option("--from-env-file", "env_files", multiple=True, help="A file of lines key=value.")
@click.option("--immutable", is_flag=True, help="The values can't be changed afterwards.")
@shared.dry_run_option
@shared.output_option
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    names: tuple[str, ...],
    literals: tuple[str, ...],
    files: tuple[str, ...],
    env_files: tuple[str, ...],
    immutable: bool,
    dry_run: str,
    form: str,
    namespace: str | None,
) -> None:
    name = create.one_name(names, "configmap")
    session.namespace = namespace or session.namespace
    fields = fields_of(sources.read("ConfigMap", name, literals, files, env_files))
    if immutable:
        fields["immutable"] = True
    create.create(session, resources.CONFIG_MAP, name, fields, dry_run=dry_run, form=form)


def fields_of(values: dict[str, bytes]) -> dict[str, Any]:
    """Text in `data`, anything else in `binaryData`."""
    data, binary = {}, {}
    for key, value in values.items():
        try:
            data[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    return {**({"data": data} if data else {}), **({"binaryData": binary} if binary else {})}
