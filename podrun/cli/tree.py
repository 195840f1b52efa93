"""`podrun tree`: a picture of a pod, as the kernel has it now."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping

import click

from podrun.cli import command as shared
from podrun.cli import containers, drawing, output, pod_tree
from podrun.cli.client import path_of
from podrun.cli.resources import POD
from podrun.errors import PodrunError

EXAMPLES = """
# Show what pod web is made of
podrun tree web

# With colours, in a pager
podrun tree web --color=always | less -R

# The same as data
podrun tree web -o json
"""

NARROWEST, PIPED = 40, 80


@click.command(
    "tree",
    cls=shared.Verb,
    synopsis="POD [POD ...] [options]",
    examples=EXAMPLES,
    help="Draw a pod as the kernel has it now: pause, containers and their processes, the namespaces that they share, "
    "control groups with limits and use, mounts and addresses.",
)
@click.argument("pods", nargs=-1)
@click.option("-o", "--output", "form", default="", help="Output format. One of: (json, yaml).")
@click.option("--color", default="auto", help='Must be "auto", "always", or "never".')
@shared.namespace_option
@click.pass_obj
def command(session: shared.Session, pods: tuple[str, ...], form: str, color: str, namespace: str | None) -> None:
    if not pods:
        raise PodrunError("pod or type/name must be specified")
    output.check(form, ("", "json", "yaml"))
    if color not in ("auto", "always", "never"):
        raise PodrunError(f'Invalid color value ({color}). Must be "auto", "always", or "never".')
    if len(pods) > 1 and pods[0] in (POD.singular, POD.plural, *POD.short_names):
        pods = pods[1:]
    client, where = session.client, session.namespace_of(namespace)
    show = output.object_printer(form) if form else None
    for position, pod in enumerate(pods):
        name = containers.pod_name(pod)
        answer = client.get(path_of("podrun", "v1", "namespaces", where, "pods", name, "anatomy"))
        if show is not None:
            show(answer)
            continue
        look = _look(color)
        text = drawing.draw(pod_tree.tree(answer, time.time(), width=look.width), look)
        sys.stdout.write(("\n" if position else "") + text)


def _look(color: str) -> drawing.Look:
    is_terminal = sys.stdout.isatty()
    wanted = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return drawing.Look(
        width=max(NARROWEST, shutil.get_terminal_size((PIPED, 24)).columns) if is_terminal else PIPED,
        cut=is_terminal,
        colour=color == "always" or (color == "auto" and wanted),
        ascii=not shows_unicode(os.environ, sys.stdout.encoding, was_c=bool(sys.flags.utf8_mode)),
    )


def shows_unicode(environment: Mapping[str, str], encoding: str, *, was_c: bool) -> bool:
    """By the locale that the user has set: where that is C, Python writes UTF-8 all the same (PEP 538, PEP 540).

    `was_c`: it has put LC_CTYPE there itself.
    """
    names = ("LC_ALL", "LANG") if was_c else ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    is_utf8 = locale.lower().replace("-", "").partition("@")[0].endswith("utf8")
    return is_utf8 and encoding.lower().replace("-", "") == "utf8"
