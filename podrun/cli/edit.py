"""`podrun edit`: opens objects in the user's editor, and sends what was changed in them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import jsonpath, output, selecting, yaml_text
from podrun.cli.client import APPLY_PATCH, MERGE_PATCH, Client
from podrun.cli.failures import StatusFailure
from podrun.cli.selecting import Choice, Named
from podrun.errors import PodrunError

EXAMPLES = """
# Edit a ConfigMap
podrun edit configmap settings

# Use another editor
KUBE_EDITOR="nano" podrun edit pod web

# Edit as JSON
podrun edit pod web -o json
"""

HEADER = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""

NO_CHANGES = "Edit cancelled, no changes made."

Json = dict[str, Any]


@click.command(
    "edit",
    cls=shared.Verb,
    synopsis="(TYPE/NAME | TYPE NAME | -f FILENAME) [options]",
    examples=EXAMPLES,
    help="Edit a resource from the default editor.\n\n"
    " The editor is the one of KUBE_EDITOR or EDITOR, else vi. What can't be saved is opened again, with the reason.",
)
@shared.choice_options
@click.option("-o", "--output", "form", default="yaml", help="Edit as yaml or json.")
@click.pass_obj
def command(session: shared.Session, choice: Choice, form: str) -> None:
    output.check(form, ("yaml", "json"))
    client = session.client
    for one in selecting.find(client, choice):
        _Edit(client, one, client.get(one.path), form).run()


@dataclass(slots=True)
class _Edit:
    """One object: opened until it can be saved, or until nothing was changed any more."""

    client: Client
    named: Named
    live: Json
    form: str

    def run(self) -> None:
        before = yaml_text.of(self.live) if self.form == "yaml" else jsonpath.as_json(self.live, indent=4) + "\n"
        body, complaint = before, ""
        with tempfile.TemporaryDirectory(prefix="podrun-edit-") as directory:
            path = Path(directory, f"edit.{self.form}")
            while True:
                # JSON has no comments; of kubectl's reader they are taken out again.
                path.write_text(HEADER + complaint + body)
                _edited(path)
                edited = without_comments(path.read_text())
                if not edited.strip():
                    print("Edit cancelled, saved file was empty.", file=sys.stderr)
                    return
                if edited == body:
                    self._give_up(edited, changed=bool(complaint))
                    return
                if edited == before and not complaint:
                    print(NO_CHANGES, file=sys.stderr)
                    return
                body = edited
                try:
                    changed = self._save(before, edited)
                except PodrunError as error:
                    complaint = complaint_of(self.named, error)
                    continue
                print(
                    f"{self.named.title} edited" if changed else NO_CHANGES, file=sys.stdout if changed else sys.stderr
                )
                return

    def _save(self, before: str, edited: str) -> bool:
        """False: it means the same as before. PodrunError: it is not valid."""
        old, new = self._decoded(before), self._decoded(edited)
        for field in ("apiVersion", "kind"):
            if old.get(field) != new.get(field):
                raise PodrunError(f"{field} of an edited object can't be changed")
        changes = merge_patch_between(old, new)
        if not changes:
            return False
        self.client.ask("PATCH", self.named.path, body=json.dumps(changes).encode(), content_type=MERGE_PATCH)
        return True

    def _decoded(self, text: str) -> Json:
        answer = self.client.ask("POST", "/podrun/v1/decode", body=text.encode(), content_type=APPLY_PATCH)
        if len(answer["results"]) != 1:
            raise PodrunError("the edited file must hold one object")
        return dict(answer["results"][0]["object"])

    def _give_up(self, edited: str, *, changed: bool) -> None:
        if not changed:
            print(NO_CHANGES, file=sys.stderr)
            return
        descriptor, name = tempfile.mkstemp(prefix="podrun-edit-", suffix=f".{self.form}")
        with os.fdopen(descriptor, "w") as file:
            file.write(edited)
        print(f'A copy of your changes has been stored to "{name}"', file=sys.stderr)
        raise PodrunError("Edit cancelled, no valid changes were saved.")


def _edited(path: Path) -> None:
    program = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    sys.stdout.flush()
    try:
        # As kubectl: the variable may hold options, and is a shell's words.
        code = subprocess.run([*shlex.split(program), str(path)]).returncode
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise PodrunError(f'unable to launch the editor "{program}": {why}', hint="set EDITOR") from None
    if code:
        raise PodrunError(f'there was a problem with the editor "{program}": it ended with exit code {code}')


def without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def complaint_of(one: Named, error: PodrunError) -> str:
    """What is wrong, as comments on top of the file that is opened again."""
    lines = [f'{one.resource.plural} "{one.name}" was not valid:', *_problems(error), ""]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _problems(error: PodrunError) -> Sequence[str]:
    causes = ((error.status.get("details") or {}).get("causes") or []) if isinstance(error, StatusFailure) else []
    if causes:
        texts = [f"* {cause.get('field', '')}: {cause.get('message', '')}" for cause in causes]
    else:
        texts = [f"* {error.message}"]
    return [line for text in texts for line in text.splitlines()]


def merge_patch_between(old: Json, new: Json) -> Json:
    """The JSON merge patch (RFC 7386) that makes `new` of `old`."""
    changes: Json = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := merge_patch_between(before, value):
                changes[key] = inner
        elif value != before:
            changes[key] = value
    return changes
