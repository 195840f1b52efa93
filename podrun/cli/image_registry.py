"""`podrun image pull|login|logout`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli.image_words import IMAGES, size_text
from podrun.errors import PodrunError

PULL_EXAMPLES = """
# Get an image from Docker Hub
podrun image pull busybox:1

# Get one from another registry, by what it holds
podrun image pull registry.example.com/team/app@sha256:…
"""
LOGIN_EXAMPLES = """
# Store a password for a registry, once the registry has taken it
podrun image login -u joe registry.example.com

# The same in a script
printf %s "$PASSWORD" | podrun image login -u joe --password-stdin registry.example.com
"""
_BAR = 30  # columns


@click.command(
    "pull", cls=shared.Verb, synopsis="NAME [options]", examples=PULL_EXAMPLES, help="Get an image from its registry."
)
@click.argument("name")
@click.option("-q", "--quiet", is_flag=True, help="Say only the name of the image.")
@click.pass_obj
def pull(session: shared.Session, name: str, quiet: bool) -> None:
    shown = _Lines() if quiet or not sys.stderr.isatty() else _Bar()
    body = json.dumps({"name": name}).encode()
    headers = {"Content-Type": "application/json"}
    last: dict[str, Any] = {}
    try:
        with session.client.open("POST", f"{IMAGES}/pull", body=body, headers=headers) as stream:
            for line in stream.lines():
                last = json.loads(line)
                if "progress" in last and not quiet:
                    shown.show(last["progress"])
    finally:
        shown.end()
    if "error" in last:
        raise PodrunError(f"cannot pull: {last['error']}", last.get("hint"))
    if "image" not in last:
        raise PodrunError(f'cannot pull image "{name}": the kubelet ended')
    image = last["image"]
    print(f"image/{name} pulled" if not quiet else image["id"])


class _Bar:
    """One line on a terminal, written over again and again."""

    def show(self, progress: dict[str, int]) -> None:
        total = progress["total"] or 1
        filled = _BAR * progress["fetched"] // total
        bar = "█" * filled + "░" * (_BAR - filled)
        amounts = f"{size_text(progress['fetched'])} of {size_text(progress['total'])}"
        layers = f"{progress['unpacked']} of {progress['layers']} layers unpacked"
        sys.stderr.write(f"\r\x1b[K{bar} {amounts}, {layers}")
        sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class _Lines:
    """A line for each quarter that is fetched and each layer that is unpacked."""

    def __init__(self) -> None:
        self._said = (0, 0)

    def show(self, progress: dict[str, int]) -> None:
        quarter = 4 * progress["fetched"] // (progress["total"] or 1)
        if (quarter, progress["unpacked"]) > self._said:
            self._said = quarter, progress["unpacked"]
            amounts = f"fetched {size_text(progress['fetched'])} of {size_text(progress['total'])}"
            print(f"{amounts}, unpacked {progress['unpacked']} of {progress['layers']} layers", file=sys.stderr)

    def end(self) -> None:
        pass


@click.command(
    "login",
    cls=shared.Verb,
    synopsis="REGISTRY [options]",
    examples=LOGIN_EXAMPLES,
    help="Store a password for a registry, for all pulls of this node.",
)
@click.argument("registry")
@click.option("-u", "--username", default="", help="Whose password it is; asked for if missing.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_obj
def login(session: shared.Session, registry: str, username: str, password_stdin: bool) -> None:
    if password_stdin:
        password = sys.stdin.read().rstrip("\n")
    elif not os.isatty(0):
        raise PodrunError("cannot ask for a password: standard input is no terminal", hint="use --password-stdin")
    else:
        username = username or click.prompt("Username")
        password = click.prompt("Password", hide_input=True)
    if not username:
        raise PodrunError("cannot log in: no user name", hint="use --username")
    if not password:
        raise PodrunError("cannot log in: the password is empty")
    body = {"registry": _host(registry), "username": username, "password": password}
    session.client.ask("POST", f"{IMAGES}/login", body=json.dumps(body).encode())
    print(f"registry/{_host(registry)} logged in")


@click.command("logout", cls=shared.Verb, synopsis="REGISTRY", help="Forget the password for a registry.")
@click.argument("registry")
@click.pass_obj
def logout(session: shared.Session, registry: str) -> None:
    session.client.ask("POST", f"{IMAGES}/logout", body=json.dumps({"registry": _host(registry)}).encode())
    print(f"registry/{_host(registry)} logged out")


def _host(registry: str) -> str:
    """Without the scheme and the path that people copy along."""
    return registry.removeprefix("https://").removeprefix("http://").partition("/")[0]
