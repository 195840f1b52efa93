"""`podrun system`: the kubelet of this machine, started, stopped, asked how it is, and taken away with all it made."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import output, starting, stopping, systemd
from podrun.cli.client import KubeletDownError, KubeletLostError
from podrun.cli.columns import aligned
from podrun.cli.failures import QuietFailureError
from podrun.errors import PodrunError

NOT_RUNNING = 3
"""Exit code of `system status` for a kubelet that is not running, as systemctl's (LSB)."""

FOLLOWING = 0.2
"""Seconds between two looks at a log file that is followed."""


@click.command("start", cls=shared.Verb, help="Start the kubelet, if it does not run yet.")
@click.pass_obj
def start(session: shared.Session) -> None:
    if session.passive_client.is_up():
        print("The kubelet is running already")
        return
    starting.start(session.paths)
    print("The kubelet is running")


@click.command("stop", cls=shared.Verb, help="Stop the kubelet. Pods run on without it; the next one adopts them.")
@click.pass_obj
def stop(session: shared.Session) -> None:
    if not stopping.stop(session.paths):
        print("The kubelet is not running")
        return
    print("The kubelet is stopped. Pods run on without it; 'podrun system start' starts it again")


@click.command("status", cls=shared.Verb, help="Say whether the kubelet runs. Exit code 3: it does not.")
@click.pass_obj
def status(session: shared.Session) -> None:
    try:
        info: dict[str, Any] = session.passive_client.get("/podrun/v1/info")
    except (KubeletDownError, KubeletLostError):
        print("The kubelet is not running")
        raise QuietFailureError(NOT_RUNNING) from None
    print(f"The kubelet is running: pid {info.get('pid')}, since {info.get('startedAt')}, {info.get('pods')} pods")


@click.command("info", cls=shared.Verb, help="Show version, settings and figures of the kubelet.")
@click.option("-o", "--output", "form", default="", help="One of: (json, yaml).")
@click.pass_obj
def info(session: shared.Session, form: str) -> None:
    output.check(form, ("", "json", "yaml"))
    facts: dict[str, Any] = session.client.get("/podrun/v1/info")
    if form:
        output.write_object(facts, form)
        return
    sys.stdout.write(aligned("\n".join(_lines(facts, "")) + "\n", padding=2))


def _lines(facts: dict[str, Any], indent: str) -> list[str]:
    said = []
    for name, value in facts.items():
        title = name if name.isupper() or "_" in name else name[0].upper() + name[1:]
        match value:
            case dict():
                said += [f"{indent}{title}:", *_lines(value, indent + "  ")]
            case list():
                said.append(f"{indent}{title}:\t{', '.join(str(one) for one in value) or '<none>'}")
            case _:
                said.append(f"{indent}{title}:\t{value}")
    return said


@click.command("logs", cls=shared.Verb, help="Show the kubelet's own log.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added.")
@click.pass_obj
def logs(session: shared.Session, follow: bool) -> None:
    if systemd.keeps_kubelet(session.paths):
        command = systemd.journal_command(follow=follow)
        sys.stdout.flush()
        try:
            os.execvp(command[0], command)
        except OSError as error:
            raise PodrunError(f"cannot run {command[0]}: {error.strerror}") from error
    path = starting.log_file(session.paths)
    try:
        with path.open("rb") as file:
            while True:
                while piece := file.read(1 << 16):
                    sys.stdout.buffer.write(piece)
                sys.stdout.flush()
                if not follow:
                    return
                time.sleep(FOLLOWING)
    except PermissionError as error:
        raise PodrunError("cannot read the kubelet's log: must be run as root", hint="use sudo") from error
    except FileNotFoundError:
        raise PodrunError(f"cannot read the kubelet's log: there is no {path} yet") from None


@click.command(
    "reset",
    cls=shared.Verb,
    synopsis="--force [options]",
    help="Delete all pods, stop the kubelet, and remove everything that this instance ever made: images,\n"
    " volumes, logs, settings of the network. There is no way back.",
)
@click.option("--force", is_flag=True, help="Really do it.")
@click.pass_obj
def reset(session: shared.Session, force: bool) -> None:
    if not force:
        raise PodrunError("cannot reset: it removes all pods, images and volumes", hint="podrun system reset --force")
    from podrun.cli import resetting

    resetting.reset(session.paths)
    print("Everything that podrun made is gone")


command = shared.Family(
    "system",
    help="Start, stop, inspect and reset the kubelet of this machine.",
    verbs={
        "start": (start, "Start the kubelet"),
        "stop": (stop, "Stop the kubelet; pods run on"),
        "status": (status, "Say whether the kubelet runs"),
        "info": (info, "Show version, settings and figures"),
        "logs": (logs, "Show the kubelet's own log"),
        "reset": (reset, "Remove everything that podrun ever made here"),
    },
)
