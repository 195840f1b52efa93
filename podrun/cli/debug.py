"""`podrun debug`: a container added to a running pod, or a changed copy of it, and a session in there."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import containers, debug_pods, detaching, pod_waiting, readiness, resources, run_pods, sessions
from podrun.cli.client import Client
from podrun.cli.exec import ExecVerb
from podrun.errors import PodrunError

EXAMPLES = """
# A shell beside the containers of pod web: same network, same volumes of the machine's choice
podrun debug web -it --image=busybox:1

# The same, among the processes of container app
podrun debug web -it --image=busybox:1 --target=app

# A debug container of a certain name that is not attached to
podrun debug --image=debug-tools:1 -c debugger web

# A copy of the pod with one more container, and all processes in sight
podrun debug web -it --image=busybox:1 --copy-to=web-debug

# A copy of the pod with another command in container app
podrun debug web -it --copy-to=web-debug -c app -- sh
"""
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LEGACY = (
    "--profile=legacy is deprecated and will be removed in the future. "
    'It is recommended to explicitly specify a profile, for example "--profile=general".'
)


@click.command(
    "debug",
    cls=ExecVerb,
    synopsis="(POD | TYPE/NAME) [ -- COMMAND [args...] ]",
    examples=EXAMPLES,
    help="Debug pods using interactive debugging containers.",
)
@click.argument("arguments", nargs=-1)
@click.option("--arguments-only", is_flag=True, help="What follows -- are arguments, not the command.")
@click.option("--attach/--no-attach", default=None, help="Wait until the container runs, then attach to it.")
@click.option("-c", "--container", default="", help="Container name to use for debug container.")
@click.option("--copy-to", default="", help="Create a copy of the target pod with this name.")
@click.option("--detach-keys", default=detaching.DEFAULT, help="Override the key sequence for detaching a container.")
@click.option("--env", multiple=True, help="Environment variables to set in the container.")
@click.option("--image", default="", help="Container image to use for debug container.")
@click.option("--image-pull-policy", default="", help="The image pull policy for the container.")
@click.option("--profile", default="general", help="One of: legacy, general, baseline, netadmin, restricted, sysadmin.")
@click.option("-q", "--quiet", is_flag=True, help="Suppress informational messages.")
@click.option("--replace", is_flag=True, help="With --copy-to, delete the original pod.")
@click.option("--same-node", is_flag=True, help="With --copy-to, schedule the copy on the same node.")
@click.option("--set-image", "set_images", multiple=True, help="With --copy-to, container=image; * for all.")
@click.option("--share-processes/--no-share-processes", default=True, help="With --copy-to, share the PID namespace.")
@click.option("-i", "--stdin", is_flag=True, help="Keep stdin open on the container, even if nothing is attached.")
@click.option("--target", default="", help="Show the processes of this container of the pod.")
@click.option("-t", "--tty", is_flag=True, help="Allocate a TTY for the debugging container.")
@shared.timeout_option("1m", "How long to wait until the container runs.")
@shared.namespace_option
@click.pass_context
def command(ctx: click.Context, /, arguments: tuple[str, ...], namespace: str | None, **options: Any) -> None:
    session: shared.Session = ctx.obj
    argv: tuple[str, ...] = ctx.meta["podrun.argv"]
    wish = debug_pods.Wish(
        image=options["image"],
        command=argv,
        args_only=options["arguments_only"],
        env=options["env"],
        pull_policy=options["image_pull_policy"],
        stdin=options["stdin"],
        tty=options["tty"],
        target=options["target"],
        profile=options["profile"],
        copy_to=options["copy_to"],
        share_processes=options["share_processes"],
        same_node=options["same_node"],
        set_images=tuple(one for text in options["set_images"] for one in text.split(",")),
    )
    _check(wish, arguments, options)
    attach = sessions.Attach(wish.stdin, wish.tty, options["quiet"], options["detach_keys"], earlier=True)
    client = session.client
    name = containers.pod_name(arguments[0])
    pod = client.get(resources.POD.path(session.namespace_of(namespace), name))
    say = (lambda text: None) if options["quiet"] else print
    if wish.target:
        say(
            f'Targeting container "{wish.target}". If you don\'t see processes from this container '
            "it may be because the container runtime doesn't support this feature."
        )

    def new_name() -> str:
        made = f"debugger-{''.join(random.choices(_LETTERS, k=5))}"
        say(f"Defaulting debug container name to {made}.")
        return made

    if wish.copy_to:
        made, chosen = debug_pods.copied(pod, wish, options["container"], new_name)
        debugged = client.ask("POST", resources.POD.list_path(pod["metadata"]["namespace"]), body=_bytes(made))
        if options["replace"]:
            client.ask("DELETE", resources.POD.path(pod["metadata"]["namespace"], name), {"gracePeriodSeconds": "0"})
    else:
        chosen = options["container"] or new_name()
        debugged = _add(client, pod, debug_pods.ephemeral(wish, chosen))
    attaches = wish.stdin if options["attach"] is None else options["attach"]
    if attaches and chosen:
        sys.stdout.flush()
        _attach(client, debugged, chosen, attach, options["timeout"])


def _check(wish: debug_pods.Wish, arguments: tuple[str, ...], options: dict[str, Any]) -> None:
    """kubectl's rules and words."""
    detaching.parse(options["detach_keys"])
    if wish.copy_to:
        if not (wish.image or wish.set_images or wish.command):
            raise PodrunError("you must specify --image, --set-image or command arguments.")
        if wish.command and not (options["container"] or wish.image):
            raise PodrunError("you must specify an existing container or a new image when specifying args.")
        if wish.target:
            raise PodrunError("--target is incompatible with --copy-to. Use --share-processes instead.")
    else:
        for option, given in (("replace", options["replace"]), ("same-node", wish.same_node)):
            if given:
                raise PodrunError(f"--{option} may only be used with --copy-to.")
        if wish.set_images:
            raise PodrunError("--set-image may only be used with --copy-to.")
        if not wish.image:
            raise PodrunError("you must specify --image when not using --copy-to.")
    if wish.image:
        run_pods.check_image(wish.image)
    if not arguments:
        raise PodrunError("NAME or filename is required for debug")
    if wish.pull_policy and wish.pull_policy not in run_pods.PULL_POLICIES:
        raise PodrunError(f"invalid image pull policy: {wish.pull_policy}")
    if wish.profile not in debug_pods.PROFILES:
        raise PodrunError(f"unknown profile: {wish.profile}")
    if wish.tty and not wish.stdin:
        raise PodrunError("-i/--stdin is required for containers with -t/--tty=true")
    if wish.profile == "legacy":
        print(_LEGACY, file=sys.stderr)


def _add(client: Client, pod: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    meta = pod["metadata"]
    if made["name"] in containers.names(pod):
        raise PodrunError(
            f'container "{made["name"]}" is in pod {meta["name"]} already', hint="choose another name: -c"
        )
    path = f"{resources.POD.path(meta['namespace'], meta['name'])}/ephemeralcontainers"
    patch = {"spec": {"ephemeralContainers": [made]}}
    answer = client.ask("PATCH", path, body=_bytes(patch), content_type="application/strategic-merge-patch+json")
    return dict(answer)


def _attach(client: Client, pod: dict[str, Any], container: str, attach: sessions.Attach, timeout: float) -> None:
    def has_run(seen: dict[str, Any]) -> bool:
        state = containers.state(seen, container)
        reason = (state.get("waiting") or {}).get("reason")
        if reason in readiness.HOPELESS:
            message = (state.get("waiting") or {}).get("message", "")
            raise PodrunError(f"container {container} can't start: {reason}: {message}")
        return "running" in state or "terminated" in state or pod_waiting.phase(seen) in pod_waiting.ENDED

    seen = pod_waiting.wait_for(client, pod, has_run, timeout)
    if "running" in containers.state(seen, container):
        attach.run_or_log(client, seen, container)
    else:
        sessions.show_log(client, seen, container)


def _bytes(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
