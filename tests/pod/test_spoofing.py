"""A pod with every right in its own network, which tries to be its neighbour."""

from __future__ import annotations

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import Instance

RIGHTS = {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}
NAMES = ("attacker", "victim", "target")


def pings(node: Instance, name: str, *targets: str, before: str = "true") -> list[bool]:
    """Whether an answer came to each of these from pod `name`. `before`: commands of a shell."""
    patient = (
        'ask() { for n in 1 2 3; do ping -c 1 -w 1 -W 1 "$@" >/dev/null 2>&1 && echo yes && return; done; echo no; }'
    )
    tries = "; ".join((patient, *(f"ask {target}" for target in targets)))
    lines = node.exec(name, "sh", "-c", f"{before} >/dev/null 2>&1; {tries}").stdout.split()
    return [line == "yes" for line in lines]


@pytest.mark.vm
def test_a_pod_cannot_take_its_neighbours_place(node: Instance) -> None:
    node.submit(*(manifests.pod(name, manifests.busybox(securityContext=RIGHTS)) for name in NAMES))
    ip = {name: pods.address(node.wait_for(name, pods.is_ready, "to be ready")) for name in NAMES}
    forged, honest = f"-I {ip['victim']} {ip['target']}", f"-I {ip['attacker']} {ip['target']}"

    def attack(preparation: str) -> list[bool]:
        """Forged, honest; and whether the target still finds the victim."""
        return pings(node, "attacker", forged, honest, before=preparation) + pings(node, "target", ip["victim"])

    assert pings(node, "attacker", ip["target"]) == [True]
    claim = f"ip address add {ip['victim']}/24 dev eth0; arping -U -c 1 -w 1 -I eth0 -s {ip['victim']} {ip['target']}"
    assert attack(claim) == [False, True, True]
    node.kill_kubelet()
    node.start_kubelet()
    assert attack(claim) == [False, True, True]
    mac = node.exec("victim", "cat", "/sys/class/net/eth0/address").stdout.strip()
    assert attack(f"ip link set eth0 address {mac}") == [False, False, True]
