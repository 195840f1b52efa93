"""What containers say happened, in order, as lines in one file of the machine; and what the kubelet says of them."""

from __future__ import annotations

from typing import Any

from tests import names, wait
from tests.pod import manifests
from tests.pod.instance import NAMESPACE, Instance
from tests.pod.manifests import Json

MOUNT = "/story"
NOTE = f'note() {{ echo "$1" >> {MOUNT}/lines; }}; '
PATIENT = "while true; do sleep 1000 & wait; done"  # other than a program in the foreground, `wait` ends with a signal


def obedient(last_words: str, code: int = 0, *, first: str = "") -> str:
    """A script that notes the word `first` when it heeds SIGTERM, waits for that, notes `last_words` and ends."""
    return f"trap 'note {last_words}; exit {code}' TERM; {f'note {first}; ' if first else ''}{PATIENT}"


class Story:
    """One directory, mounted as /story in the containers made here. At the end of `with` the test's pods go."""

    def __init__(self, node: Instance) -> None:
        self.node = node
        self.name = names.unique("story-")
        self.directory = node.directory / self.name
        self.directory.mkdir()

    def __enter__(self) -> Story:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.node.pods():
            if name.startswith(self.name):
                self.node.discard(name, 0)
        wait.wait_until(lambda: not any(name.startswith(self.name) for name in self.node.pods()), "pods to be gone")

    def container(self, name: str = "main", script: str = manifests.SLEEP, **fields: Any) -> Json:
        """A shell script that may call `note WORD`."""
        mounts = [{"name": "story", "mountPath": MOUNT}, *fields.pop("volumeMounts", ())]
        return manifests.busybox(name, NOTE + script, volumeMounts=mounts, **fields)

    def submit(self, *containers: Json, **spec: Any) -> str:
        """The name of a new pod of these containers."""
        name = f"{self.name}-{len(self.node.pods())}"
        directory = {"name": "story", "hostPath": {"path": str(self.directory), "type": "Directory"}}
        self.node.submit(manifests.pod(name, *containers, volumes=[directory], **spec))
        return name

    def lines(self) -> list[str]:
        path = self.directory / "lines"
        return path.read_text().split() if path.exists() else []

    def wait_for(self, line: str, times: int = 1) -> list[str]:
        wait.wait_until(lambda: self.lines().count(line) >= times, f"{times} x {line}; so far {self.lines()}")
        return self.lines()

    def create(self, file: str) -> None:
        """A file that the containers see at once."""
        (self.directory / file).touch()

    def remove(self, file: str) -> None:
        (self.directory / file).unlink()


def until(file: str) -> str:
    """A script that waits for a file of the story."""
    return f"until [ -e {MOUNT}/{file} ]; do sleep 0.05; done"


def noting(word: str, then: str = "true") -> Json:
    """A handler of a hook or probe that notes a word and goes on with `then`."""
    return shell(f"note {word}; {then}")


def shell(script: str) -> Json:
    return {"exec": {"command": ["sh", "-c", NOTE + script]}}


def lifecycle(**handlers: Any) -> Json:
    return {"lifecycle": handlers}


def condition(pod: Json, type_: str) -> Json:
    """Empty where there is none."""
    found = [each for each in pod.get("status", {}).get("conditions", ()) if each["type"] == type_]
    return found[0] if found else {}


def event_count(node: Instance, name: str, reason: str, words: str = "") -> int:
    """How often events of this reason, with `words` in their message, were seen about the pod."""
    found = node.request("GET", f"{NAMESPACE}/events")["items"]
    return sum(
        each.get("count", 1)
        for each in found
        if each["involvedObject"]["name"] == name and each["reason"] == reason and words in each["message"]
    )


def wait_event(node: Instance, name: str, reason: str, words: str = "", times: int = 1) -> None:
    def seen() -> bool:
        return event_count(node, name, reason, words) >= times

    try:
        wait.wait_until(seen, f"{times} x {reason} {words!r}", step=0.05)
    except AssertionError as error:
        raise AssertionError(f"{error}\nevents: {node.events(name)}") from None


def column(node: Instance, name: str, header: str = "STATUS") -> str:
    """A cell of `podrun get pod NAME`."""
    titles, row = node.run("get", "pod", name).stdout.splitlines()
    return row[titles.index(header) :].split("   ")[0].strip()
