"""A program that fills what it may write to, floods who reads, and swaps what is looked up. Each test shows that the
pod ran, and that its neighbour noticed nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.conftest import MakeInstance
from tests.pod.instance import COMMAND, Instance, log_sizes

FLOOD = manifests.OBEDIENT + "while true; do seq 100000; done"
MIB = 1 << 20


def neighbour_is_fine(node: Instance, pod: str) -> None:
    said = node.exec(pod, "sh", "-c", "echo x > /tmp/note && cat /tmp/note", container="neighbour").stdout
    assert said == "x\n"


@pytest.mark.vm
def test_memory_that_a_pod_may_fill_has_an_end(node: Instance) -> None:
    fill = (
        "for place in /dev /dev/shm /m; do "
        "dd if=/dev/zero of=$place/fill bs=64k 2>&1 | grep -c 'No space left'; wc -c < $place/fill; rm $place/fill; "
        "done; for place in / /sys /proc /proc/sys; do echo x > $place/fill && rm $place/fill && echo wrote; done; "
    )
    limited = {"limits": {"memory": "256Mi"}}
    volume = {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}
    attacker = manifests.busybox(
        "attacker",
        fill + "echo over; " + manifests.SLEEP,
        resources=limited,
        volumeMounts=[{"name": "m", "mountPath": "/m"}],
    )
    node.apply(manifests.pod("fill", attacker, manifests.busybox("neighbour"), volumes=[volume]), wait=True)
    pod = node.wait_for("fill", lambda pod: "over" in node.log_lines(pod, "attacker"), "all to be full", 60)
    said = [line for line in node.log_lines(pod, "attacker") if "can't create" not in line]
    assert said == ["1", str(64 * MIB), "1", str(64 * MIB), "1", str(4 * MIB), "wrote", "over"], "control: its own root"
    neighbour_is_fine(node, "fill")
    assert pods.restarts(node.pod("fill"), "attacker") == 0


def test_a_flood_of_logs_takes_only_so_much_of_the_disk(make_instance: MakeInstance) -> None:
    with make_instance(container_log_max_size="1Mi", container_log_max_files="3") as node:
        node.apply(manifests.pod("flood", manifests.busybox("flood", FLOOD), manifests.busybox("neighbour")), wait=True)
        pod = node.pod("flood")
        directory = node.paths.pod_log_dir("default", "flood", pods.uid(pod)) / "flood"
        rotated: set[str] = set()

        def turns() -> int:
            with os.scandir(directory) as entries:
                rotated.update(entry.name.split(".log.")[-1][:15] for entry in entries if ".log." in entry.name)
            return len(rotated)

        wait.wait_until(lambda: turns() >= 8, "many rotations", 60)
        neighbour_is_fine(node, "flood")
        # More lines come while these are read.
        assert len(node.run("logs", "flood", "-c", "flood", "--tail=5").stdout.splitlines()) >= 5
        sizes = log_sizes(directory)
        assert len(sizes) <= 4, "three, and one that is being compressed"
        assert sum(sizes) <= 4 * (MIB + 128 * 1024)
        node.run("delete", "pod", "flood", "--now")
        assert not directory.exists()


def test_a_command_whose_output_nobody_reads_holds_up_no_other(node: Instance) -> None:
    """Neither does what it is fed and does not read."""
    node.apply(manifests.pod("jammed", manifests.busybox("attacker"), manifests.busybox("neighbour")), wait=True)
    podrun = [COMMAND, "exec", "jammed", "-c", "attacker"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": node.environment}
    writer = subprocess.Popen([*podrun, "--", "yes"], **pipes)  # type: ignore[call-overload]
    reader = subprocess.Popen([*podrun, "-i", "--", "sleep", "1000"], **pipes)  # type: ignore[call-overload]
    try:
        os.set_blocking(reader.stdin.fileno(), False)

        def is_full() -> bool:
            try:
                os.write(reader.stdin.fileno(), b"x" * 65536)
            except BlockingIOError:
                return True
            return False

        wait.wait_until(lambda: running(node) >= {"yes", "sleep"}, "both commands")
        wait.wait_until(is_full, "the pipe to be full")
        for _ in range(5):
            neighbour_is_fine(node, "jammed")
            assert node.exec("jammed", "echo", "fine", container="attacker").stdout == "fine\n"
    finally:
        for client in (writer, reader):
            client.send_signal(signal.SIGKILL)
            client.communicate()
    wait.wait_until(lambda: "yes" not in running(node), "the command without a reader to end")


def running(node: Instance) -> set[str]:
    """The commands in the attacking container."""
    lines = node.exec("jammed", "ps", "-o", "args", container="attacker").stdout.splitlines()
    return {line.split()[0] for line in lines}


def test_users_that_change_while_they_are_looked_up_hang_no_command_and_lead_nowhere(
    node: Instance, tmp_path: Path
) -> None:
    target = tmp_path / "passwd"
    target.write_text("root:x:4321:4321::/:/bin/sh\n")
    swaps = (
        "rm -f n; echo root:x:0:0::/:/bin/sh > n", "rm -f n; mkfifo n", f"rm -f n; ln -s {target} n",
        f"rm -f n; ln -s {'../' * 30}{target} n", "rm -f n; ln -s passwd n", "rm -f n; ln -s /proc/1/mem n",
        "rm -f n; ln -s /dev/zero n", "rm -f n; ln -s /dev/tty n",
    )  # fmt: skip
    script = "cd /etc; while true; do " + "; ".join(f"{swap}; rm -f passwd; mv n passwd" for swap in swaps) + "; done"
    attacker = manifests.busybox("attacker", manifests.OBEDIENT + script)
    node.apply(manifests.pod("users", attacker, manifests.busybox("neighbour")), wait=True)
    for _ in range(25):
        found = node.exec("users", "awk", "/^Uid/ {print $2}", "/proc/self/status", container="attacker", check=False)
        # What can't be read (memory) is an error, as it would be on a broken disk.
        assert found.stdout == "0\n" or "find user: Input/output error" in found.stderr, found
    neighbour_is_fine(node, "users")
    assert target.read_text().startswith("root:x:4321:")


def test_a_mount_point_that_is_swapped_for_a_link_leads_no_mount_out(node: Instance, tmp_path: Path) -> None:
    """CVE-2021-30465: one container lets the place of another's mount be a directory and a link in turn."""
    target = tmp_path / "target"
    target.mkdir()
    swap = (
        "cd /data; mkdir real; "
        f"while true; do ln -s real a; mv -T a place; usleep 5000; ln -s {target} a; mv -T a place; usleep 5000; "
        f"ln -s {'../' * 30}{target} a; mv -T a place; usleep 5000; ln -s /proc/1/root{target} a; mv -T a place; done"
    )
    places = [{"name": "data", "mountPath": "/data"}, {"name": "second", "mountPath": "/data/place/in"}]
    victims = [manifests.busybox(f"v{number}", "echo end", volumeMounts=places) for number in range(10)]
    attacker = manifests.busybox("attacker", swap, volumeMounts=places[:1], restartPolicy="Always")
    found = {"exec": {"command": ["test", "-e", "/data/place"]}, "periodSeconds": 1, "failureThreshold": 600}
    attacker["startupProbe"] = found  # at most times there is none to be found
    volumes = [{"name": name, "emptyDir": {}} for name in ("data", "second")]
    fields = {"initContainers": [attacker], "volumes": volumes, "restartPolicy": "Never"}
    names = [victim["name"] for victim in victims]
    ran: list[str] = []
    for attempt in range(10):
        node.submit(manifests.pod(f"places-{attempt}", *victims, **fields))
        wanted = "every container to have been tried"
        pod = node.wait_for(
            f"places-{attempt}", lambda pod: all(pods.terminated(pod, name) for name in names), wanted, 60
        )
        ran += [name for name in names if node.log_lines(pod, name) == ["end"]]
        node.discard(f"places-{attempt}", 0)
        if ran:
            break
    assert ran, "control: some container found a directory"
    assert os.listdir(target) == [], "nothing of the machine"
    assert str(target) not in Path("/proc/self/mountinfo").read_text()
