"""Log files of containers on the disk: links for collectors, rotation by the node's limits, and floods."""

from __future__ import annotations

import os

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.conftest import MakeInstance
from tests.pod.instance import Instance, log_sizes


@pytest.mark.vm
def test_links_lead_to_the_logs_of_this_run_and_the_one_before(make_instance: MakeInstance) -> None:
    with make_instance(container_log_max_size="20Ki", container_log_max_files="3") as node:
        check_links(node)
        check_rotation(node)


def check_links(node: Instance) -> None:
    node.apply(manifests.pod("linked", manifests.busybox(script="echo run; exit 1"), restartPolicy="Always"))
    again = node.wait_for("linked", lambda pod: pods.restarts(pod) >= 1, "a second run")
    directory = node.paths.log_dir / "containers"
    links = [entry for entry in directory.iterdir() if entry.name.startswith("linked_default_main-")]
    wait.wait_until(lambda: [entry.read_text()[-4:] for entry in links] == ["run\n"] * 2, "both logs by their links")
    newest = directory / f"linked_default_main-{pods.container_ids(again)['main']}.log"
    assert os.readlink(newest).endswith(f"{again['metadata']['uid']}/main/1.log")
    assert newest.stat().st_mode & 0o777 == 0o640
    node.discard("linked", 0)
    wait.wait_until(lambda: not list(directory.iterdir()), "the links to go with the pod")


def check_rotation(node: Instance) -> None:
    """A flood beside a talker: the flood stays within its files, the talker is heard, `logs -f` follows both."""
    # Long lines, so that what precedes each in the file is little beside them.
    script = "trap 'exit 0' TERM; line=$(printf %0200d 0); while true; do yes $line | head -n 300; done"
    flood = manifests.busybox("flood", script)
    counting = "trap 'exit 0' TERM; n=0; while true; do n=$((n+1)); echo $n; sleep 0.05; done"
    talker = manifests.busybox("talker", counting)
    node.apply(manifests.pod("noisy", flood, talker), wait=True)
    pod = node.pod("noisy")
    files = node.paths.pod_log_dir("default", "noisy", pod["metadata"]["uid"]) / "flood"
    wait.wait_until(lambda: len(list(files.iterdir())) == 3, "three files")

    def count() -> int:
        """The last number that the talker said."""
        lines = node.log_lines(pod, "talker")
        return int(lines[-1]) if lines else 0

    before = wait.wait_until(count, "the talker to begin")
    wait.wait_until(lambda: count() >= before + 10, "the talker to be heard")
    followed = node.run("logs", "-f", "noisy", "-c", "flood", "--limit-bytes=200000").stdout
    assert len(followed) == 200000
    assert sum(log_sizes(files)) < 3 * (20 << 10) + (64 << 10) * 8
