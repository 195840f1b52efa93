"""`podrun exec`: a command in a running container; its exit code becomes ours."""

from __future__ import annotations

import sys

import click

from podrun.cli import command as shared
from podrun.cli import containers, resources, sessions
from podrun.cli.client import Client, Query
from podrun.cli.failures import QuietFailureError
from podrun.cli.plain_text import plain
from podrun.errors import PodrunError

EXAMPLES = """
# Get output from running the date command in pod web, in its first container
podrun exec web -- date

# Get output from running the date command in container app of pod web
podrun exec web -c app -- date

# Get output from the pod that pod.yaml names
podrun exec -f pod.yaml -- date

# Hand standard input over
echo hello | podrun exec -i web -- cat

# A shell on this terminal
podrun exec -it web -- sh
"""


class ExecVerb(shared.Verb):
    """Notes whether `--` stood before the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta["podrun.argv"] = tuple(args[at + 1 :])
        ctx.meta["podrun.dashed"] = at < len(args)
        return super().parse_args(ctx, args[:at])


@click.command(
    "exec",
    cls=ExecVerb,
    synopsis="(POD | TYPE/NAME | -f FILENAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
    examples=EXAMPLES,
    help="Execute a command in a container.",
)
@click.argument("arguments", nargs=-1)
@click.option("-c", "--container", default="", help="Container name. If omitted, the first container in the pod.")
@click.option("-f", "--filename", default="", help="Manifest of the pod to execute the command in.")
@click.option("-i", "--stdin", is_flag=True, help="Pass stdin to the container")
@click.option("-t", "--tty", is_flag=True, help="Stdin is a TTY")
@click.option("-q", "--quiet", is_flag=True, help="Only print output from the remote session")
@shared.namespace_option
@click.pass_context
def command(
    ctx: click.Context,
    arguments: tuple[str, ...],
    container: str,
    filename: str,
    stdin: bool,
    tty: bool,
    quiet: bool,
    namespace: str | None,
) -> int:
    session: shared.Session = ctx.obj
    argv: tuple[str, ...] = ctx.meta["podrun.argv"]
    if arguments and filename:
        raise PodrunError("resource/name arguments cannot be provided when a path is specified")
    if not arguments and not filename:
        raise PodrunError("pod, type/name or --filename must be specified")
    if len(arguments) > 1:
        raise PodrunError(
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
            "See 'podrun exec -h' for help and examples"
        )
    if not argv:
        raise PodrunError("you must specify at least one command for the container")
    raw = sessions.wants_raw(stdin=stdin, tty=tty, quiet=quiet)
    client = session.client
    if filename:
        path = _pod_in(client, filename, session.chosen_namespace(namespace))
    else:
        path = resources.POD.path(session.namespace_of(namespace), containers.pod_name(arguments[0]))
    pod = client.get(path)
    query: Query = {
        "command": argv,
        "container": container or containers.choose(pod, ""),
        "stdin": stdin,
        "stdout": True,
        "stderr": not raw,
        "tty": raw,
    }
    ticket = client.ask("POST", f"{path}/exec", query, headers={"X-Podrun-Stream": "shim"})
    from podrun.cli import streams

    try:
        code = streams.run(ticket["socket"], ticket["token"], streams.Wanted(stdin=stdin, raw=raw)) or 0
    except streams.NotExecutedError as error:
        print(f"error: {plain(error.message)}", file=sys.stderr)
        code = error.code
    if code:
        print(f"command terminated with exit code {code}", file=sys.stderr)
        raise QuietFailureError(code)
    return code


def _pod_in(client: Client, filename: str, namespace: str | None) -> str:
    """Path of the one pod that a manifest names. PodrunError: it names several objects, none, or something else."""
    from podrun.cli import selecting

    named = selecting.in_files(client, [filename], recursive=False, namespace=namespace)
    if len(named) != 1:
        raise PodrunError("cannot exec into multiple objects at a time" if named else "no objects passed to exec")
    if named[0].resource is not resources.POD:
        raise containers.not_a_pod(named[0].resource)
    return named[0].path
