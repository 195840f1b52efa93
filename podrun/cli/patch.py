"""`podrun patch`: changes fields of objects by a strategic merge patch, a JSON merge patch or a JSON patch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import output, selecting
from podrun.cli.selecting import Choice
from podrun.errors import PodrunError

EXAMPLES = """
# Change an image
podrun patch pod web -p '{"spec":{"containers":[{"name":"app","image":"busybox:2"}]}}'

# Add a label by a JSON merge patch, written as YAML
podrun patch pod web --type=merge -p 'metadata: {labels: {tier: front}}'

# Take the first label away by a JSON patch
podrun patch pod web --type=json -p '[{"op": "remove", "path": "/metadata/labels/tier"}]'

# Change the status
podrun patch pod web --subresource=status -p '{"status":{"message":"hello"}}'
"""

TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
SUBRESOURCES = ("status", "resize", "ephemeralcontainers")


@click.command(
    "patch",
    cls=shared.Verb,
    synopsis="(-f FILENAME | TYPE NAME) [-p PATCH | --patch-file FILE] [options]",
    examples=EXAMPLES,
    help="Update fields of a resource using strategic merge patch, a JSON merge patch, or a JSON patch.\n\n"
    " JSON and YAML formats are accepted.",
)
@shared.choice_options
@click.option("-p", "--patch", "text", default="", help="The patch to be applied to the resource, JSON or YAML.")
@click.option("--patch-file", default="", help="A file containing a patch to be applied to the resource.")
@click.option("--type", "type_", default="strategic", help=f"The type of patch, one of {' '.join(TYPES)}.")
@click.option("--subresource", default="", help=f"Operate on this subresource, one of {', '.join(SUBRESOURCES)}.")
@shared.dry_run_option
@shared.output_option
@click.pass_obj
def command(
    session: shared.Session,
    choice: Choice,
    text: str,
    patch_file: str,
    type_: str,
    subresource: str,
    dry_run: str,
    form: str,
) -> None:
    if bool(text) == bool(patch_file):
        raise PodrunError(
            "cannot specify --patch and --patch-file together"
            if text
            else "must specify --patch or --patch-file containing the contents of the patch"
        )
    if type_.lower() not in TYPES:
        raise PodrunError(f'--type must be one of [{" ".join(TYPES)}], not "{type_}"')
    if subresource and subresource not in SUBRESOURCES:
        raise PodrunError(f'invalid subresource value: "{subresource}". Must be one of {list(SUBRESOURCES)}')
    body = json.dumps(_read(text or _content(patch_file))).encode()
    client, doing = session.client, output.Doing(form, dry_run)
    for one in selecting.find(client, choice):
        before = client.get(one.path)
        path = f"{one.path}/{subresource}" if subresource else one.path
        query = {"dryRun": "All" if dry_run != "none" else None}
        after = client.ask("PATCH", path, query, body=body, content_type=TYPES[type_.lower()])
        doing.done(one.title, "patched" if after != before else "patched (no change)", after)


def _read(text: str) -> Any:
    """PodrunError: neither JSON nor YAML."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise PodrunError(f'unable to parse "{text}": yaml: {said}') from None


def _content(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise PodrunError(f"unable to read patch file: open {name}: {why}") from None
