"""`podrun image`: what the node has, import and load from files, remove. The other verbs are in files beside."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import image_registry, image_store, output
from podrun.cli.columns import Table
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.image_words import IMAGES, say, size_text

IMPORT_EXAMPLES = """
# Make an image of a directory
podrun image import ./rootfs busybox:1 --cmd sh

# Make an image of a tar, with environment and user
podrun image import rootfs.tar web:1 --entrypoint /bin/web --env PORT=80 --user 1000:1000
"""
LOAD_EXAMPLES = """
# Load the images that `docker save` or `skopeo copy` wrote
podrun image load images.tar
"""
REMOVE_EXAMPLES = """
# Remove an image by name, or by the start of its id
podrun image rm busybox:1
"""


@click.command(
    "import",
    cls=shared.Verb,
    synopsis="(TAR | DIRECTORY) NAME [options]",
    examples=IMPORT_EXAMPLES,
    help="Make an image of a root filesystem. --cmd, --entrypoint and --env may be given several times.",
)
@click.argument("source")
@click.argument("name")
@click.option("--cmd", multiple=True, help="One word of the default command, or a JSON list of all.")
@click.option("--entrypoint", multiple=True, help="One word of the entrypoint, or a JSON list of all.")
@click.option("--env", multiple=True, help="A variable, NAME=VALUE.")
@click.option("--user", default="", help="User[:group] that containers run as.")
@click.option("--workdir", default="", help="Working directory of containers.")
@click.pass_obj
def import_(
    session: shared.Session,
    source: str,
    name: str,
    cmd: tuple[str, ...],
    entrypoint: tuple[str, ...],
    env: tuple[str, ...],
    user: str,
    workdir: str,
) -> None:
    body = {
        "path": os.path.abspath(source),
        "name": name,
        "cmd": _words(cmd),
        "entrypoint": _words(entrypoint),
        "env": list(env),
        "user": user,
        "workingDir": workdir,
    }
    answer = session.client.ask("POST", f"{IMAGES}/import", body=json.dumps(body).encode())
    say("imported", answer["image"])


def _words(given: tuple[str, ...]) -> list[str]:
    """One --cmd that is a JSON list of strings is the whole command; else each is one word of it."""
    if len(given) == 1 and given[0].startswith("["):
        try:
            value = json.loads(given[0])
        except ValueError:
            return list(given)
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return value
    return list(given)


@click.command(
    "load",
    cls=shared.Verb,
    synopsis="FILE [options]",
    examples=LOAD_EXAMPLES,
    help="Load all images of a docker or OCI archive.",
)
@click.argument("source")
@click.pass_obj
def load(session: shared.Session, source: str) -> None:
    body = json.dumps({"path": os.path.abspath(source)}).encode()
    for image in session.client.ask("POST", f"{IMAGES}/load", body=body)["images"]:
        say("loaded", image)


@click.command("ls", cls=shared.Verb, help="List the images of this machine.")
@click.option("-o", "--output", "form", default="", help="One of: (json, yaml, name, wide).")
@click.option("--no-headers", is_flag=True, help="Don't print headers (default print headers).")
@click.pass_obj
def ls(session: shared.Session, form: str, no_headers: bool) -> None:
    output.check(form)
    answer = session.client.get(IMAGES)
    images = answer["images"]
    if form in ("json", "yaml"):
        output.write_object(answer, form)
        return
    if not images:
        print("No images found", file=sys.stderr)
        return
    rows = [row for image in images for row in _rows(image, wide=form == "wide")]
    if form == "name":
        print("\n".join(row[0] for row in rows))
        return
    header = ["NAME", "IMAGE ID", "SIZE", *(["CREATED", "DIGEST"] if form == "wide" else [])]
    print("\n".join(Table().rows(rows if no_headers else [header, *rows])))


def _rows(image: dict[str, Any], *, wide: bool) -> list[list[str]]:
    plain = str(image["id"]).removeprefix("sha256:")[:12]
    size = f"broken: {image['broken']}" if image.get("broken") else size_text(image["size"])
    more = [image.get("created") or "<unknown>", image.get("digest") or "<none>"] if wide else []
    return [[name, plain, size, *more] for name in image.get("names") or ["<none>"]]


@click.command(
    "rm",
    cls=shared.Verb,
    synopsis="NAME ... [options]",
    examples=REMOVE_EXAMPLES,
    help="Remove images that no pod uses.",
)
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def rm(session: shared.Session, names: tuple[str, ...]) -> None:
    failed = False
    for name in names:
        try:
            removal = session.client.ask("DELETE", IMAGES, {"name": name})
        except StatusFailure as error:
            sys.stdout.flush()
            print(error.message, file=sys.stderr)
            failed = True
            continue
        for untagged in removal.get("untagged") or []:
            print(f"image/{untagged} untagged")
        for deleted in removal.get("deleted") or []:
            print(f"image/{deleted} deleted")
    if failed:
        raise QuietFailureError


command = shared.Family(
    "image",
    help="Pull, import, load, list, save and remove images.",
    verbs={
        "pull": (image_registry.pull, "Get an image from its registry"),
        "login": (image_registry.login, "Store a password for a registry"),
        "logout": (image_registry.logout, "Forget the password for a registry"),
        "import": (import_, "Make an image of a root filesystem"),
        "load": (load, "Load images from a docker or OCI archive"),
        "ls": (ls, "List images"),
        "inspect": (image_store.inspect, "Show all about an image as JSON"),
        "tag": (image_store.tag, "Give an image one more name"),
        "save": (image_store.save, "Write images to an archive"),
        "rm": (rm, "Remove images"),
        "prune": (image_store.prune, "Remove images that have no name or no user"),
    },
    aliases={"list": "ls", "remove": "rm", "delete": "rm"},
)
