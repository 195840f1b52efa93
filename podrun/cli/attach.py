"""`podrun attach`: the streams of a container's main program, on this terminal."""

from __future__ import annotations

import click

from podrun.cli import command as shared
from podrun.cli import containers, detaching, resources, sessions
from podrun.errors import PodrunError

EXAMPLES = """
# Get output from running pod web; the annotation kubectl.kubernetes.io/default-container
# selects the container, else it is the first
podrun attach web

# Get output from container app of pod web
podrun attach web -c app

# Switch to raw terminal mode; sends stdin to 'bash' in container app of pod web
# and sends stdout/stderr from 'bash' back to the client; ctrl-p ctrl-q leaves it running
podrun attach web -c app -i -t
"""


@click.command(
    "attach",
    cls=shared.Verb,
    synopsis="(POD | TYPE/NAME) -c CONTAINER",
    examples=EXAMPLES,
    help="Attach to a process that is already running inside an existing container.",
)
@click.argument("arguments", nargs=-1)
@click.option("-c", "--container", default="", help="Container name. If omitted, the first container in the pod.")
@click.option("-i", "--stdin", is_flag=True, help="Pass stdin to the container")
@click.option("-t", "--tty", is_flag=True, help="Stdin is a TTY")
@click.option("-q", "--quiet", is_flag=True, help="Only print output from the remote session")
@click.option(
    "--detach-keys", default=detaching.DEFAULT, help="Override the key sequence for detaching a container; '' for none"
)
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    container: str,
    stdin: bool,
    tty: bool,
    quiet: bool,
    detach_keys: str,
    namespace: str | None,
) -> None:
    if not arguments:
        raise PodrunError("at least 1 argument is required for attach")
    if len(arguments) > 2:
        shown = f"[{' '.join(arguments)}]"
        raise PodrunError(f"expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {len(arguments)}: {shown}")
    detaching.parse(detach_keys)
    client = session.client
    name = containers.pod_name("/".join(arguments))
    pod = client.get(resources.POD.path(session.namespace_of(namespace), name))
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise PodrunError(f"cannot attach a container in a completed pod; current phase is {phase}")
    chosen = containers.choose(pod, container, quiet=quiet)
    sessions.Attach(stdin, tty, quiet, detach_keys).run(client, pod, chosen)
