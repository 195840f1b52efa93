"""`podrun image inspect|tag|save|prune`: images that are on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import IO

import click

from podrun.cli import command as shared
from podrun.cli.image_words import IMAGES, say, size_text
from podrun.cli.plain_text import plain_json
from podrun.errors import PodrunError

SAVE_EXAMPLES = """
# Write an image to a file that `podrun image load`, docker, podman and skopeo read
podrun image save busybox:1 -o busybox.tar

# Take it to another machine
podrun image save busybox:1 | ssh other podman load
"""
PRUNE_EXAMPLES = """
# Remove images that have lost their name to another one
podrun image prune

# Remove all images that no pod uses
podrun image prune --all
"""
_END = bytes(1024)  # of a tar: an archive without it was cut off


@click.command("inspect", cls=shared.Verb, synopsis="NAME ...", help="Show all about images as JSON.")
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def inspect(session: shared.Session, names: tuple[str, ...]) -> None:
    found = [session.client.get(f"{IMAGES}/inspect", {"name": name}) for name in names]
    print(plain_json(json.dumps(found, indent=4, ensure_ascii=False)))


@click.command("tag", cls=shared.Verb, synopsis="NAME NEW_NAME", help="Give an image one more name.")
@click.argument("name")
@click.argument("new_name")
@click.pass_obj
def tag(session: shared.Session, name: str, new_name: str) -> None:
    session.client.ask("POST", f"{IMAGES}/tag", body=json.dumps({"source": name, "name": new_name}).encode())
    print(f"image/{new_name} tagged")


@click.command(
    "prune", cls=shared.Verb, examples=PRUNE_EXAMPLES, help="Remove images that have no name; with --all, no user."
)
@click.option("-a", "--all", "all_unused", is_flag=True, help="Remove all images that no pod uses.")
@click.pass_obj
def prune(session: shared.Session, all_unused: bool) -> None:
    gone = session.client.ask("POST", f"{IMAGES}/prune", {"all": all_unused})["images"]
    for image in gone:
        say("deleted", image)
    if not gone:
        print("No images to remove", file=sys.stderr)
        return
    print(f"Removed: {len(gone)} ({size_text(sum(image['size'] for image in gone))})", file=sys.stderr)


@click.command(
    "save",
    cls=shared.Verb,
    synopsis="NAME ... [options]",
    examples=SAVE_EXAMPLES,
    help="Write images to an archive, which is a docker and an OCI archive at once.",
)
@click.argument("names", nargs=-1, required=True)
@click.option("-o", "--output", default="", help="The file to write; standard output if missing.")
@click.pass_obj
def save(session: shared.Session, names: tuple[str, ...], output: str) -> None:
    if not output and os.isatty(1):
        raise PodrunError("cannot write an archive to a terminal", hint="use -o FILE, or a pipe")
    with session.client.open("GET", f"{IMAGES}/save", {"name": list(names)}) as stream, _sink(output) as sink:
        end = b""
        while piece := stream.read():
            sink.write(piece)
            end = (end + piece)[-len(_END) :]
        if end != _END:
            raise PodrunError("cannot save the images: the kubelet ended before all was written")


@contextlib.contextmanager
def _sink(path: str) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears whole or not at all."""
    if not path:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    staged = f"{path}.{os.getpid()}.part"
    try:
        with open(staged, "xb") as file:
            yield file
        os.replace(staged, path)
    except OSError as error:
        raise PodrunError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(staged)
