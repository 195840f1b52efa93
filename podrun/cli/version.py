"""`podrun version`: ours, and that of the kubelet if it runs; none is started to be asked."""

from __future__ import annotations

import sys

import click

import podrun
from podrun.cli import command as shared
from podrun.cli import output
from podrun.cli.client import KubeletDownError

EXAMPLES = """
# Print the client and server versions
podrun version
"""


@click.command("version", cls=shared.Verb, examples=EXAMPLES, help="Print the client and server version information.")
@click.option("--client", "client_only", is_flag=True, help="If true, shows client version only (no server required).")
@click.option("-o", "--output", "form", default="", help="One of 'yaml' or 'json'.")
@click.pass_obj
def command(session: shared.Session, client_only: bool, form: str) -> None:
    output.check(form, ("", "json", "yaml"))
    ours = f"v{podrun.__version__}"
    if not form:
        print(f"Client Version: {ours}", flush=True)
    theirs = None
    try:
        if not client_only:
            theirs = session.passive_client.get("/version")
    except KubeletDownError:
        print("The kubelet is not running", file=sys.stderr)
    if form:
        versions = {"clientVersion": {"gitVersion": ours}, **({"serverVersion": theirs} if theirs else {})}
        output.write_object(versions, form)
        return
    if theirs:
        print(f"Server Version: {theirs['gitVersion']}")
