"""`podrun run`: a pod of one container from the command line, and with -i its streams on this terminal."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import detaching, output, pod_waiting, resources, run_overrides, run_pods, sessions
from podrun.cli.client import Client
from podrun.cli.exec import ExecVerb
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.plain_text import plain
from podrun.errors import PodrunError

EXAMPLES = """
# Start a pod of nginx
podrun run nginx --image=nginx

# A shell that is gone when it is left
podrun run -it --rm --restart=Never shell --image=busybox:1 -- sh

# Set variables and labels, and let the container expose a port
podrun run web --image=web:1 --env=DNS_DOMAIN=lan --labels=app=web,env=prod --port=5701

# Print the manifest without running it
podrun run nginx --image=nginx --dry-run=client -o yaml

# Change any field of the pod that is made
podrun run web --image=web:1 --overrides='{"spec": {"hostNetwork": true}}'

# Use the default command of the image with other arguments
podrun run web --image=web:1 -- <arg1> <arg2> ... <argN>

# Use a different command and arguments
podrun run web --image=web:1 --command -- <cmd> <arg1> ... <argN>
"""
_DRY_RUN = {"client": " (dry run)", "server": " (server dry run)"}


@click.command(
    "run",
    cls=ExecVerb,
    synopsis='NAME --image=image [--env="key=value"] [--port=port] [--dry-run=server|client] '
    "[--overrides=inline-json] [--command] -- [COMMAND] [args...]",
    examples=EXAMPLES,
    help="Create and run a particular image in a pod.",
)
@click.argument("arguments", nargs=-1)
@click.option("--image", default="", help="The image for the container to run.")
@click.option("--annotations", multiple=True, help="Annotations to apply to the pod.")
@click.option("--attach/--no-attach", default=None, help="Wait until the pod runs, then attach to it. Default with -i.")
@click.option("--command", "as_command", is_flag=True, help="Use extra arguments as the command, not as its arguments.")
@click.option("--detach-keys", default=detaching.DEFAULT, help="Override the key sequence for detaching a container.")
@click.option("--dry-run", default="none", help='Must be "none", "server", or "client".')
@click.option("--expose", is_flag=True, hidden=True)
@click.option("--env", multiple=True, help="Environment variables to set in the container.")
@click.option("--image-pull-policy", default="", help="The image pull policy for the container.")
@click.option("-l", "--labels", default="", help="Comma separated labels to apply to the pod.")
@click.option("--leave-stdin-open", is_flag=True, help="Leave stdin open after the first attach completes.")
@click.option("-o", "--output", "form", default="", help="Output format. One of: (json, yaml, name).")
@click.option(
    "--override-type", default="merge", help="The method used to override the pod: json, merge, or strategic."
)
@click.option("--overrides", default="", help="An inline JSON override for the pod, of any of its fields.")
@shared.timeout_option("1m", "How long to wait until the pod runs.")
@click.option("--port", default="", help="The port that this container exposes.")
@click.option("--privileged", is_flag=True, help="Run the container in privileged mode.")
@click.option("-q", "--quiet", is_flag=True, help="Suppress prompt messages.")
@click.option("--restart", default="Always", help="The restart policy for this pod: Always, OnFailure, Never.")
@click.option("--rm", "remove", is_flag=True, help="Delete the pod after it exits. Only with --attach or -i.")
@click.option("-i", "--stdin", is_flag=True, help="Keep stdin open on the container, even if nothing is attached.")
@click.option("-t", "--tty", is_flag=True, help="Allocate a TTY for the container.")
@shared.namespace_option
@click.pass_context
def command(ctx: click.Context, /, arguments: tuple[str, ...], namespace: str | None, **options: Any) -> int:
    session: shared.Session = ctx.obj
    wish = run_pods.Wish(
        name=arguments[0] if arguments else "",
        image=options["image"],
        arguments=(*arguments[1:], *ctx.meta["podrun.argv"]),
        as_command=options["as_command"],
        env=options["env"],
        labels=options["labels"],
        annotations=options["annotations"],
        port=options["port"],
        restart=options["restart"] or ("OnFailure" if options["stdin"] else "Always"),
        pull_policy=options["image_pull_policy"],
        stdin=options["stdin"],
        tty=options["tty"],
        leave_stdin_open=options["leave_stdin_open"],
        privileged=options["privileged"],
    )
    attaches = wish.stdin if options["attach"] is None else bool(options["attach"])
    run_pods.check(wish)
    _check(options, attaches=attaches)
    manifest = run_pods.pod(wish)
    if options["overrides"]:
        manifest = run_overrides.applied(manifest, options["overrides"], options["override_type"])
    where = session.namespace_of(namespace)
    if options["dry_run"] == "client":
        insisted = session.chosen_namespace(namespace)
        manifest["metadata"] |= {"namespace": insisted} if insisted else {}
        _show(manifest, options["form"], options["dry_run"])
        return 0
    query = {"dryRun": "All"} if options["dry_run"] == "server" else {}
    body = json.dumps(manifest).encode()
    client = session.client
    created = client.ask("POST", resources.POD.list_path(where), query, body=body)
    if not attaches:
        _show(created, options["form"], options["dry_run"])
        return 0
    attach = sessions.Attach(wish.stdin, wish.tty, options["quiet"], options["detach_keys"], earlier=True)
    restart = created["spec"]["restartPolicy"]
    waits = not wish.leave_stdin_open and restart in ("Never", "OnFailure")
    try:
        _attach(client, created, attach, options["timeout"])
        return _exit_code(client, created, restart, options["timeout"]) if waits else 0
    finally:
        if options["remove"]:
            _remove(client, created, quiet=options["quiet"])


def _check(options: dict[str, Any], *, attaches: bool) -> None:
    detaching.parse(options["detach_keys"])
    if options["expose"]:
        raise PodrunError(
            "cannot expose the pod: podrun has no Services",
            hint="a pod is reached at its address, through podrun port-forward, or with a hostPort in --overrides",
        )
    if options["dry_run"] not in ("none", *_DRY_RUN):
        raise PodrunError(f'Invalid dry-run value ({options["dry_run"]}). Must be "none", "server", or "client".')
    if options["form"] not in ("", "json", "yaml", "name"):
        raise PodrunError(
            f'unable to match a printer suitable for the output format "{options["form"]}", '
            "allowed formats are: json,name,yaml"
        )
    if options["remove"] and not attaches:
        raise PodrunError("--rm should only be used for attached containers")
    if attaches and options["dry_run"] != "none":
        raise PodrunError(
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)"
        )


def _show(pod: dict[str, Any], form: str, dry_run: str) -> None:
    if output.shows_objects(form):
        output.object_printer(form, no_headers=False)(pod)
    elif form == "name":
        print(f"pod/{pod['metadata']['name']}")
    else:
        print(f"pod/{pod['metadata']['name']} created{_DRY_RUN.get(dry_run, '')}")


def _attach(client: Client, created: dict[str, Any], attach: sessions.Attach, timeout: float) -> None:
    pod = pod_waiting.wait_for(client, created, pod_waiting.is_up, timeout)
    container = pod["spec"]["containers"][0]["name"]
    if pod_waiting.phase(pod) in pod_waiting.ENDED:
        sessions.show_log(client, pod, container)
    else:
        attach.run_or_log(client, pod, container)


def _exit_code(client: Client, created: dict[str, Any], restart: str, timeout: float) -> int:
    """The container's, when the pod has ended."""
    awaited = ("Succeeded",) if restart == "OnFailure" else pod_waiting.ENDED
    pod = pod_waiting.wait_for(client, created, lambda pod: pod_waiting.phase(pod) in awaited, timeout)
    if pod_waiting.phase(pod) == "Succeeded":
        return 0
    meta = pod["metadata"]
    who = f"pod {meta['namespace']}/{meta['name']}"
    states = [one.get("state") or {} for one in pod["status"].get("containerStatuses") or []]
    ended = states[0].get("terminated") if states else None
    if not ended or not ended.get("exitCode"):
        raise PodrunError(f"{who} failed with unknown exit code")
    sys.stdout.flush()
    text = f"{who} terminated ({ended.get('reason', '')})\n{ended.get('message', '')}"
    print(plain(text).rstrip("\n"), file=sys.stderr)
    raise QuietFailureError(int(ended["exitCode"]))


def _remove(client: Client, created: dict[str, Any], *, quiet: bool) -> None:
    meta = created["metadata"]
    with contextlib.suppress(StatusFailure):  # somebody else has removed it
        client.ask("DELETE", resources.POD.path(meta["namespace"], meta["name"]))
        if not quiet:
            print(f'pod "{meta["name"]}" deleted', flush=True)
