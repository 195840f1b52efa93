"""`cp` while a program in the container swaps a directory on the way for a link that leads to the machine."""

from __future__ import annotations

import os
from pathlib import Path

from tests import wait
from tests.pod import manifests
from tests.pod.instance import Instance

ROUNDS = 3
SECRET = "of the machine"


def swapping(*targets: str) -> str:
    """/tmp/d/sub is a directory with a file, then a link, then the directory again."""
    links = "; ".join(
        f"mv sub old; ln -s {target} sub; usleep 3000; rm sub; mv old sub; usleep 3000" for target in targets
    )
    return f"mkdir -p /tmp/d/sub; cd /tmp/d; echo mine >sub/secret; while :; do {links}; done"


def test_a_directory_that_becomes_a_link_while_it_is_copied_leads_nowhere(node: Instance, tmp_path: Path) -> None:
    machine, sent, got = (tmp_path / name for name in ("machine", "sent", "got"))
    for directory in (machine, sent, got):
        directory.mkdir()
    (machine / "secret").write_text(SECRET)
    (sent / "d" / "sub").mkdir(parents=True)
    for name in ("secret", *"abcdefgh"):
        (sent / "d" / "sub" / name).write_text("sent")
    script = swapping(str(machine), f"/proc/1/root{machine}", f"../../../../..{machine}")
    spec = {"hostPID": True, "terminationGracePeriodSeconds": 0}
    node.apply(manifests.pod("racer", manifests.busybox(script=script), **spec), wait=True)
    wait.wait_until(lambda: node.exec("racer", "ls", "/tmp/d", check=False).stdout, "the race to begin")
    for number in range(ROUNDS):
        # Whether one of these succeeds is chance; where it reads and writes is not.
        node.run("cp", "racer:/tmp/d", got / str(number % 2), check=False)
        node.run("cp", "racer:/tmp/d/sub/secret", got / "file", check=False)
        node.run("cp", sent / "d", "racer:/tmp", check=False)
        node.run("cp", sent / "d" / "sub" / "a", "racer:/tmp/d/sub/planted", check=False)
    assert os.listdir(machine) == ["secret"]
    assert (machine / "secret").read_text() == SECRET
    received = [path for path in got.rglob("*") if not path.is_dir()]
    assert not any(path.is_symlink() for path in got.rglob("*"))
    assert all(path.read_text() in ("mine\n", "sent", "") for path in received)
