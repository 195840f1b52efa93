"""A host to try the network on: a fresh network namespace, so that nothing of the real machine's is touched.

Pods and the outside world are further namespaces, kept by descriptors. A socket belongs for ever to the namespace that
it was made in, so a test makes one inside and uses it from where it is.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from podrun.linux import clone3, namespaces
from podrun.network import addresses, bridge, firewall, links, netlink, senders
from podrun.network.nfnetlink import Nfnetlink
from tests import wait

GENEROUS = wait.patient(20)  # seconds that a connection may take on a busy machine
HOST_OUTSIDE = "203.0.113.1"
WORLD = "203.0.113.2"
HOST_OUTSIDE6, WORLD6 = "2001:db8:7::1", "2001:db8:7::2"
DUAL = addresses.pod_networks("198.18.7.0/24,fd00:18:7::/64")


@dataclass
class Pod:
    uid: str
    netns: int
    attachment: links.Attachment

    @property
    def ip(self) -> str:
        return str(self.attachment.addresses[0].ip)

    @property
    def ip6(self) -> str:
        """Where the stage has IPv6."""
        return str(self.attachment.addresses[1].ip)


@dataclass
class Stage:
    rtnetlink: netlink.Rtnetlink
    closing: ExitStack
    bridge: str = field(default_factory=lambda: "prt" + secrets.token_hex(4))
    networks: tuple[addresses.Network, ...] = addresses.pod_networks("198.18.7.0/24")
    mtu: int = 1400
    last: dict[addresses.Network, addresses.Address] = field(default_factory=dict)
    senders: list[senders.Sender] = field(default_factory=list)

    @property
    def gateway(self) -> addresses.Interface:
        return addresses.gateway(self.networks[0])

    def build(self) -> None:
        gateways = tuple(addresses.gateway(network) for network in self.networks)
        bridge.ensure(self.rtnetlink, self.bridge, gateways, self.mtu)
        firewall.ensure(self.bridge, self.networks)
        senders.ensure(self.bridge, self.senders, ipv6=any(network.version == 6 for network in self.networks))

    def tear_down(self) -> None:
        links.sweep(self.rtnetlink, self.bridge, ())
        firewall.remove(self.bridge)
        bridge.remove(self.rtnetlink, self.bridge)

    def namespace(self) -> int:
        """A new network namespace that lasts until the end of the test."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        made = netlink.inside(own, _new_namespace)
        os.close(own)
        self.closing.callback(os.close, made)
        return made

    def wish(self) -> Pod:
        """A pod that has an address and a namespace, but isn't connected yet."""
        own = [addresses.allocate(network, (), self.last.get(network)) for network in self.networks]
        self.last = {network: address.ip for network, address in zip(self.networks, own, strict=True)}
        uid = str(uuid.uuid4())
        gateways = tuple(addresses.gateway(network).ip for network in self.networks)
        attachment = links.Attachment(uid, self.bridge, tuple(own), gateways, self.mtu)
        return Pod(uid, self.namespace(), attachment)

    def pod(self) -> Pod:
        """A pod that can send: its port of the bridge forwards a moment after it is connected."""
        pod = self.wish()
        links.connect(self.rtnetlink, pod.netns, pod.attachment)
        port = links.host_end(self.bridge, pod.uid)
        wait_until(lambda: "state forwarding" in run(f"bridge link show dev {port}"))
        self.let_send(pod)
        return pod

    def let_send(self, pod: Pod) -> None:
        sender = senders.of_pod(self.bridge, pod.uid, [interface.ip for interface in pod.attachment.addresses])
        self.senders.append(sender)
        nfnetlink = Nfnetlink()
        senders.add(nfnetlink, self.bridge, sender)
        nfnetlink.close()

    def world(self) -> int:
        """A machine outside, which the host's default route leads to and which knows no pods."""
        world = self.namespace()
        run("ip link add uplink mtu 1300 type veth peer name outside")
        run(f"ip link set outside netns /proc/{os.getpid()}/fd/{world}")
        run(f"ip address add {HOST_OUTSIDE}/24 dev uplink")
        run("ip link set uplink up")
        inside(world, f"ip address add {WORLD}/24 dev outside")
        run(f"ip address add {HOST_OUTSIDE6}/64 dev uplink nodad")
        inside(world, f"ip address add {WORLD6}/64 dev outside nodad")
        inside(world, "ip link set outside up")
        run(f"ip route add default via {WORLD}")
        run(f"ip route add default via {WORLD6}")
        return world

    def listen(self, netns: int) -> socket.socket:
        listener = netlink.inside(
            netns, lambda: socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        )
        listener.settimeout(GENEROUS)
        self.closing.callback(listener.close)
        return listener

    def dial(self, netns: int, ip: str, port: int, timeout: float = GENEROUS) -> None:
        connection = netlink.inside(netns, lambda: socket.create_connection((ip, port), timeout))
        self.closing.callback(connection.close)

    def seen_from(self, listener: socket.socket) -> str:
        """The address that the next connection comes from."""
        connection, address = listener.accept()
        connection.close()
        return str(address[0]).removeprefix("::ffff:")

    def here(self) -> int:
        """The host's own namespace."""
        descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.closing.callback(os.close, descriptor)
        return descriptor


@contextmanager
def stage() -> Iterator[Stage]:
    """The calling thread is on the host of the test until the end."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    namespaces.unshare(clone3.CloneFlag.NEWNET)
    try:
        run("ip link set lo up")
        # A new network namespace begins with what the machine has, where somebody may have switched it on.
        for path in bridge.FORWARDING.values():
            path.write_text("0")
        with ExitStack() as closing, netlink.Rtnetlink() as rtnetlink:
            yield Stage(rtnetlink, closing)
    finally:
        namespaces.setns(home, clone3.CloneFlag.NEWNET)
        os.close(home)


def run(command: str, text: str = "") -> str:
    result = subprocess.run(command.split(), input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout


def inside(netns: int, command: str) -> str:
    return netlink.inside(netns, lambda: run(command))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def forwarding() -> str:
    """Of IPv4 and IPv6."""
    return "".join(path.read_text().strip() for path in bridge.FORWARDING.values())


def kernel_state() -> tuple[str, str, str, str]:
    """All that a test could leave on its host. Whether a carrier is up yet is no part of it."""
    return link_names(""), run("ip -4 -oneline address"), run("nft list ruleset"), forwarding()


def link_names(selection: str) -> str:
    """Name and MAC of the links chosen by `selection`, in the words of ip-link(8)."""
    words = [line.split() for line in run(f"ip -brief link show {selection}").splitlines()]
    return "".join(f"{name} {mac}\n" for name, _state, mac, *_flags in words)


def _new_namespace() -> int:
    namespaces.unshare(clone3.CloneFlag.NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
