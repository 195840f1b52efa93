"""`podrun api-versions`: group/version of what the server serves."""

from __future__ import annotations

import click

from podrun.cli import command as shared


@click.command(
    "api-versions",
    cls=shared.Verb,
    help='Print the supported API versions on the server, in the form of "group/version".',
)
@click.pass_obj
def command(session: shared.Session) -> None:
    client = session.client
    versions = list(client.get("/api").get("versions") or [])
    for group in client.get("/apis").get("groups") or []:
        versions += [one["groupVersion"] for one in group["versions"]]
    print("\n".join(sorted(versions)))
