"""hostPort as its users know it: reached, refused, kept over a restart of the kubelet, handed on, gone."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import urllib.request

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance, Json

SERVE = "mkdir /tmp/w && hostname > /tmp/w/index.html && exec httpd -f -p 80 -h /tmp/w"


def free_port() -> int:
    """Below those that the kernel gives to clients."""
    return random.SystemRandom().randrange(20000, 32000)


def server(name: str, port: int, **fields: str) -> Json:
    ports = [{"containerPort": 80, "hostPort": port} | fields]
    return manifests.pod(
        name, manifests.busybox(script=SERVE, ports=ports), terminationGracePeriodSeconds=0, hostname=f"{name}-host"
    )


def answer(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=wait.patient(5)) as response:
            return str(response.read().decode().strip())
    except (http.client.HTTPException, OSError) as error:  # the former: it ended in the middle of its answer
        return str(error)


@pytest.mark.vm
def test_a_host_port_leads_to_its_pod_as_long_as_that_lives_and_then_to_the_next(node: Instance) -> None:
    port = free_port()
    node.submit(server("one", port))
    node.wait_for("one", pods.is_ready, "to be ready")
    wait.wait_until(lambda: answer(port) == "one-host", "an answer of pod one")
    # From the pod itself, by an address of the node that every machine has: that of the bridge.
    gateway = "$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')"
    fetch = f"wget -q -O - http://{gateway}:{port}/"
    assert node.exec("one", "sh", "-c", fetch).stdout.strip() == "one-host"

    node.submit(server("two", port))
    waiting = node.wait_for("two", lambda pod: pod["status"].get("conditions"), "a condition")
    assert "didn't have free ports for the requested pod ports" in waiting["status"]["conditions"][0]["message"]

    # Somebody takes our rules away, as `nft flush ruleset` would.
    for table in ("inet podrun-{}-ports", "inet podrun-{}", "bridge podrun-{}"):
        subprocess.run(["nft", "delete", "table", *table.format(node.paths.bridge).split()], check=True)
    wait.wait_until(lambda: answer(port) == "one-host", "the rules to be made anew")

    node.kill_kubelet()
    assert answer(port) == "one-host"
    node.start_kubelet()
    assert answer(port) == "one-host"

    node.discard("one", grace=0)
    node.wait_for("two", pods.is_ready, "to be ready")
    wait.wait_until(lambda: answer(port) == "two-host", "an answer of pod two")
    node.discard("two", grace=0)
    node.wait_gone("two")
    wait.wait_until(lambda: "refused" in answer(port), "the port to be closed")


def test_a_host_ip_that_is_no_address_is_refused(node: Instance) -> None:
    result = node.run("apply", "-f", "-", stdin=json.dumps(server("bad", 80, hostIP="eth0")), check=False)
    assert result.returncode == 1
    assert 'spec.containers[0].ports[0].hostIP: Invalid value: "eth0"' in result.stderr
