"""The pods' network, on one thread: the bridge while any pod needs it, a veth pair and an address for each pod."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from podrun.errors import PodrunError, in_words
from podrun.network import addresses, bridge, conntrack, firewall, host_ports, links, senders
from podrun.network.addresses import Address, Interface, Network
from podrun.network.host_ports import HostPort, PortWish
from podrun.network.netlink import Rtnetlink
from podrun.network.nfnetlink import Nfnetlink
from podrun.network.ruleset_watch import RulesetWatch
from podrun.network.senders import Sender

logger = logging.getLogger(__name__)

RULESET_REST = 3.0  # seconds after a change by others until ours is looked at: no more often than that

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Wiring:
    """Who has which address is known from the pods' lives (`adopt`), never from a file of its own."""

    def __init__(self, bridge_name: str, pod_cidr: str) -> None:
        self._bridge = bridge_name
        self._networks = addresses.pod_networks(pod_cidr)
        self._gateways = tuple(addresses.gateway(network) for network in self._networks)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._watch: RulesetWatch | None = None
        self._look_again: asyncio.TimerHandle | None = None
        self._unmended: frozenset[str] = frozenset()
        self._netlink: Rtnetlink | None = None
        self._nfnetlink: Nfnetlink | None = None
        self._held: dict[str, tuple[Interface, ...]] = {}
        self._ports: dict[str, tuple[HostPort, ...]] = {}
        self._last: dict[Network, Address] = {}
        self._bridge_ready = False
        self._mtu = 1500

    async def adopt(self, held: Mapping[str, tuple[Sequence[str], Sequence[PortWish]]]) -> None:
        """Take over from an earlier kubelet: `held` are addresses and host ports by pod uid; others' are removed."""
        for uid, (pod_addresses, wishes) in held.items():
            self._held[uid] = tuple(addresses.interface(address, self._networks) for address in pod_addresses)
            self._note_ports(uid, wishes)
        await self._on_thread(self._sweep)
        self._watch = RulesetWatch(await self._on_thread(threading.get_native_id))
        asyncio.get_running_loop().add_reader(self._watch.fileno(), self._ruleset_changed)

    def expect(self, uid: str) -> tuple[str, ...]:
        """The addresses that are held for a pod whose sandbox is being made; meanwhile the bridge of the first one is.
        PodrunError."""
        if uid not in self._held:
            in_use = {interface.ip for held in self._held.values() for interface in held}
            chosen = [addresses.allocate(each, in_use, self._last.get(each)) for each in self._networks]
            self._last = {each: address.ip for each, address in zip(self._networks, chosen, strict=True)}
            self._held[uid] = tuple(chosen)
        if not self._bridge_ready:
            self._thread.submit(self._ensure_bridge)  # where this fails, connect says why
        return tuple(str(interface.ip) for interface in self._held[uid])

    async def connect(self, uid: str, pid: int, netns: int, wishes: Sequence[PortWish] = ()) -> None:
        """Give the pod its addresses. `pid` is pause's, `netns` the inode its namespace must have. PodrunError."""
        self.expect(uid)
        self._note_ports(uid, wishes)
        try:
            await self._on_thread(self._connect, uid, pid, netns)
        except BaseException:
            self.disconnect(uid)
            raise

    def disconnect(self, uid: str) -> None:
        """Take the pod's link and address away, and the bridge with the last one: soon, and before any later connect.

        The kernel takes 20 ms for a link, or has taken it with the dead namespace already. Nobody needs to wait.
        """
        self._thread.submit(self._disconnect, uid, self._held.pop(uid, ()), self._ports.pop(uid, ()))

    def close(self) -> None:
        """After what was asked for is done."""
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch.close()
        if self._look_again is not None:
            self._look_again.cancel()
        self._thread.shutdown()
        for each in (self._netlink, self._nfnetlink):
            if each is not None:
                each.close()

    def _note_ports(self, uid: str, wishes: Sequence[PortWish]) -> None:
        if ports := host_ports.of_pod(wishes, [interface.ip for interface in self._held[uid]]):
            self._ports[uid] = ports

    def _ruleset_changed(self) -> None:
        """Somebody loaded a firewall, or took one away: soon, see what that did to ours."""
        if self._watch is not None and self._watch.changed_by_others() and self._look_again is None:
            self._look_again = asyncio.get_running_loop().call_later(RULESET_REST, self._look_at_ruleset)

    def _look_at_ruleset(self) -> None:
        self._look_again = None
        self._thread.submit(self._mend_firewall)

    async def _on_thread(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    # Below: on the network thread.

    @property
    def _host(self) -> Rtnetlink:
        if self._netlink is None:
            self._netlink = Rtnetlink()
        return self._netlink

    @property
    def _filter(self) -> Nfnetlink:
        if self._nfnetlink is None:
            self._nfnetlink = Nfnetlink()
        return self._nfnetlink

    def _connect(self, uid: str, pid: int, netns: int) -> None:
        self._ensure_bridge()
        attachment = links.Attachment(
            uid, self._bridge, self._held[uid], tuple(gateway.ip for gateway in self._gateways), self._mtu
        )
        descriptor = _network_namespace(pid, netns)
        try:
            links.connect(self._host, descriptor, attachment)
        finally:
            os.close(descriptor)
        self._let_send(uid)
        if ports := self._ports.get(uid):
            self._apply_ports(ports)

    def _let_send(self, uid: str) -> None:
        try:
            senders.add(self._filter, self._bridge, self._sender(uid, self._held[uid]))
        except FileNotFoundError:
            logger.warning("the firewall rules of bridge %s are gone; making them anew", self._bridge)
            self._ensure_firewall()
            self._apply_ports()
        except OSError as error:
            raise PodrunError(f"cannot bind the pod to its address: {in_words(error)}") from error

    def _sender(self, uid: str, held: tuple[Interface, ...]) -> Sender:
        return senders.of_pod(self._bridge, uid, [interface.ip for interface in held])

    def _disconnect(self, uid: str, held: tuple[Interface, ...], ports: tuple[HostPort, ...]) -> None:
        try:
            links.disconnect(self._host, self._bridge, uid)
            if held:  # also where the pod's next sandbox has an address already: that one's right to send comes later
                senders.remove(self._filter, self._bridge, self._sender(uid, held))
            if ports:
                self._apply_ports(ports)
            self._remove_bridge_if_idle()
        except (PodrunError, OSError) as error:
            logger.warning("%s", error)

    def _sweep(self) -> None:
        links.sweep(self._host, self._bridge, set(self._held))
        self._bridge_ready = False
        if self._held:
            self._ensure_bridge()
            self._apply_ports()
        elif bridge.exists(self._host, self._bridge):
            self._bridge_ready = True
            self._remove_bridge_if_idle()
        else:
            firewall.remove(self._bridge)  # left by a kubelet that was killed between the two

    def _apply_ports(self, changed: Collection[HostPort] = ()) -> None:
        """All host ports there are now, of which these came or went."""
        wanted = [port for ports in tuple(self._ports.values()) for port in ports]
        host_ports.ensure(self._bridge, self._networks, wanted)
        try:
            conntrack.forget_datagrams({port.host_port for port in changed if port.protocol == "udp"})
        except OSError as error:
            logger.warning("cannot forget where datagrams went: %s", error)

    def _ensure_bridge(self) -> None:
        if not self._bridge_ready:
            self._mtu = links.host_mtu(self._host)
            bridge.ensure(self._host, self._bridge, self._gateways, self._mtu)
            self._ensure_firewall()
            self._bridge_ready = True

    def _ensure_firewall(self) -> None:
        for warning in firewall.ensure(self._bridge, self._networks):
            logger.warning("%s", warning)
        ipv6 = any(network.version == 6 for network in self._networks)
        held = [self._sender(uid, interfaces) for uid, interfaces in tuple(self._held.items())]
        senders.ensure(self._bridge, held, ipv6=ipv6)

    def _mend_firewall(self) -> None:
        """What can't be mended is tried once, as every try is a change that brings us back here."""
        if not self._bridge_ready:
            return
        try:
            missing = firewall.missing(self._bridge, self._networks, has_ports=bool(self._ports))
            if missing - self._unmended:
                logger.warning("making anew what is missing of the firewall: %s", ", ".join(sorted(missing)))
                self._ensure_firewall()
                self._apply_ports()
                # What went while this was done is not known to be past mending: it is looked at again.
                missing &= firewall.missing(self._bridge, self._networks, has_ports=bool(self._ports))
            self._unmended = missing
        except PodrunError as error:
            logger.warning("%s", error)

    def _remove_bridge_if_idle(self) -> None:
        if self._bridge_ready and not self._held:
            firewall.remove(self._bridge)
            bridge.remove(self._host, self._bridge)
            self._bridge_ready = False


def _network_namespace(pid: int, inode: int) -> int:
    """A descriptor of the namespace of `pid`, if it still is the one that is meant: pids are used again."""
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.fstat(descriptor).st_ino != inode:
        os.close(descriptor)
        raise PodrunError("cannot enter the pod's network namespace: pause is gone")
    return descriptor
