"""A reboot, played: every process of an instance dies at once, kernel objects are gone, and the boot has another id.

The id is a file bound over the kernel's in a mount namespace of the kubelet's own: nothing of the product is touched.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podrun.kubelet import node as this_machine
from tests import wait
from tests.pod import conftest, instance, manifests, pods
from tests.pod.instance import COMMAND, Instance
from tests.pod.manifests import Json

BOOT_ID = "/proc/sys/kernel/random/boot_id"
UNKNOWN = (137, "ContainerStatusUnknown")


class Machine(Instance):
    """An instance whose kubelet believes what the test says about the boot."""

    boot_id = this_machine.boot_id()

    def launch_kubelet(self) -> None:
        file = self.directory / "boot_id"
        file.write_text(self.boot_id + "\n")
        script = f'mount --bind "$1" {BOOT_ID} && exec "$2" kubelet'
        with self.log.open("ab") as log:
            self.kubelet = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "sh", file, COMMAND],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def power_off(self) -> None:
        """Nothing runs any more, and what only the kernel held is gone."""
        parent = self.cgroup_parent
        parent.kill()
        assert self.kubelet is not None
        self.kubelet.wait(wait.patient(30))
        parent.wait_empty(wait.patient(30))
        instance.remove_tree(parent)
        for words in (["ip", "link", "del", self.paths.bridge], instance.firewall_removal(self.paths.bridge)):
            subprocess.run(words, check=True, capture_output=True)

    def power_on(self) -> None:
        self.boot_id = str(uuid.uuid4())
        self.start_kubelet()

    def journal(self, pod: Json) -> Path:
        return self.paths.run_dir / "pods" / pods.uid(pod) / "journal"


@pytest.fixture
def machine(roots: Path, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    conftest.import_images(roots, made.paths.images)
    with made:
        yield made


def leave_everything(machine: Machine) -> None:
    """/run of a machine where it is no tmpfs."""


def empty_the_run_directory(machine: Machine) -> None:
    """/run of most machines."""
    subprocess.run(["find", machine.paths.run_dir, "-mindepth", "1", "-delete"], check=True)


def tear_the_journals(machine: Machine) -> None:
    """/run on a disk whose last blocks were not written before the power went."""
    for journal in machine.paths.run_dir.glob("pods/*/journal"):
        journal.write_bytes(bytes(journal.stat().st_size) + b"\n")


Loss = Callable[[Machine], None]
LOSSES = pytest.mark.parametrize("lose", [leave_everything, empty_the_run_directory, tear_the_journals])


@pytest.mark.vm
@LOSSES
def test_after_a_reboot_what_should_run_runs_again_with_its_counts_going_on(machine: Machine, lose: Loss) -> None:
    init = manifests.busybox("init", "echo initialized")
    twice = manifests.busybox("twice", "echo here; trap 'exit 5' TERM; while true; do sleep 0.1; done")
    machine.submit(
        manifests.pod("steady", manifests.busybox(script="echo here; " + manifests.SLEEP), initContainers=[init]),
        manifests.pod("selected", twice, restartPolicy="OnFailure"),
    )
    before = machine.wait_for("steady", pods.is_ready, "to be ready")
    machine.wait_for("selected", pods.is_ready, "to be ready")
    wait.wait_until(lambda: machine.log_lines(before) == ["here"], "the first run's log")

    machine.power_off()
    lose(machine)
    machine.power_on()

    after = machine.wait_for("steady", lambda pod: pods.is_ready(pod) and pods.restarts(pod) == 1, "to run again")
    assert pods.restarts(after, "init") == 1, "init containers run again in the new sandbox"
    lost = pods.last_terminated(after)
    assert (lost["exitCode"], lost["reason"]) == UNKNOWN
    assert pods.phase(after) == "Running"
    assert pods.uid(after) == pods.uid(before)
    assert pods.container_ids(after)["main"] != pods.container_ids(before)["main"]
    assert machine.log_lines(after, attempt=0) == ["here"], "the log of the run before the reboot is kept"
    wait.wait_until(lambda: machine.log_lines(after, attempt=1) == ["here"], "the log of the new run")
    assert machine.logs("steady", "main", "--previous") == ["here"]
    assert "SandboxChanged Pod sandbox changed, it will be killed and re-created." in machine.events("steady")
    machine.wait_for("selected", lambda pod: pods.is_ready(pod) and pods.restarts(pod, "twice") == 1, "to run again")


@LOSSES
def test_what_ends_after_a_reboot_is_told_although_the_journals_count_anew(machine: Machine, lose: Loss) -> None:
    """The life before has more facts than the one after: a number must not be taken for one that is known."""
    machine.submit(manifests.pod("restless"))
    before = machine.wait_for("restless", pods.is_ready, "to be ready")
    instance.kill(machine.container_pids(before)[0])
    machine.wait_for("restless", lambda pod: pods.restarts(pod) == 1 and pods.is_ready(pod), "to run again")

    machine.power_off()
    lose(machine)
    machine.power_on()

    before = machine.wait_for("restless", lambda pod: pods.restarts(pod) == 2 and pods.is_ready(pod), "to run again")
    assert pods.last_terminated(before)["reason"] == "ContainerStatusUnknown"
    instance.kill(machine.container_pids(before)[0])
    machine.wait_for("restless", lambda pod: not pods.is_running(pod), "to have been seen to end")
    machine.restart_kubelet()
    after = machine.pod("restless")
    newest = pods.terminated(after) or pods.last_terminated(after)
    assert (newest["exitCode"], newest["reason"]) == (137, "Error")


@pytest.mark.vm
@LOSSES
def test_after_a_reboot_pods_that_are_never_restarted_have_failed_and_ended_ones_stay_ended(
    machine: Machine, lose: Loss
) -> None:
    succeeded = manifests.pod("succeeded", manifests.busybox(script="exit 0"), restartPolicy="Never")
    failed = manifests.pod("failed", manifests.busybox(script="exit 9"), restartPolicy="Never")
    machine.submit(manifests.pod("never", restartPolicy="Never"), succeeded, failed)
    machine.wait_for("never", pods.is_ready, "to be ready")
    before = {name: machine.wait_for(name, pods.has_ended, "to end") for name in ("succeeded", "failed")}

    machine.power_off()
    lose(machine)
    machine.power_on()

    never = machine.wait_for("never", pods.has_ended, "to have failed")
    ended = pods.terminated(never)
    assert pods.phase(never) == "Failed"
    assert (ended["exitCode"], ended["reason"]) == UNKNOWN
    assert pods.restarts(never) == 0
    for name, pod in before.items():
        after = machine.pod(name)
        assert pods.phase(after) == pods.phase(pod)
        assert pods.terminated(after) == pods.terminated(pod)


def test_a_pod_whose_deletion_was_asked_before_a_reboot_is_gone_after_it(machine: Machine) -> None:
    stubborn = manifests.busybox(script="trap '' TERM; while true; do sleep 0.2; done")
    machine.submit(manifests.pod("leaving", stubborn, terminationGracePeriodSeconds=600), manifests.pod("new"))
    machine.wait_for("leaving", pods.is_ready, "to be ready")
    machine.discard("leaving")
    machine.power_off()
    machine.power_on()
    machine.wait_gone("leaving")
    machine.wait_for("new", pods.is_ready, "to run")


def test_a_journal_of_the_boot_before_is_put_aside(machine: Machine) -> None:
    machine.submit(manifests.pod("aside"))
    pod = machine.wait_for("aside", pods.is_ready, "to be ready")
    machine.power_off()
    machine.power_on()
    machine.wait_for("aside", lambda pod: pods.is_ready(pod) and pods.restarts(pod) == 1, "to run again")
    header = json.loads(machine.journal(pod).read_text().splitlines()[0])
    assert header["boot_id"] == machine.boot_id
