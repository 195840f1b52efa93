"""Masquerade for what pods send outward, and passage through a host firewall that drops what it would forward.

One nftables table per bridge, replaced as a whole in one transaction. An accept in it can't outvote a drop elsewhere,
so hosts that drop (Docker, ufw, rules of their own) get rules in that chain, with a comment that names their owner.
Host ports are in host_ports, what
pods may send in senders.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from podrun.errors import PodrunError
from podrun.network import host_ports, nft, senders
from podrun.network.addresses import Network
from podrun.network.nft import Command

DOCKER_CHAIN = "DOCKER-USER"  # Docker jumps here first and never empties it

DIRECTIONS = ("iifname", "oifname")
FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
UNIQUE_LOCAL = ipaddress.IPv6Network("fc00::/7")  # RFC 4193


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of somebody else's."""

    family: str
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of ours in somebody else's chain."""

    chain: Chain
    handle: int


def owner(bridge: str) -> str:
    """The name of our table and the comment on our rules elsewhere."""
    return f"podrun-{bridge}"


def ensure(bridge: str, networks: Sequence[Network]) -> tuple[str, ...]:
    """Install the rules, replacing those of an earlier kubelet; returns warnings for the log.

    Starts `nft` a few times: not for every pod. Raises PodrunError, but not for a chain of somebody else's that can't
    be changed (a table with the owner flag, nft(8)): that host's administrator has to let the pods through.
    """
    ruleset = nft.ruleset(f"cannot read the firewall for bridge {bridge}")
    chains = dropping_chains(ruleset, {network.version for network in networks})
    table = own_table(bridge, networks, guarded=bool(chains))
    nft.run(
        f"cannot set up the firewall for bridge {bridge}",
        [*_removal(ruleset, bridge, [("inet", owner(bridge))]), *table],
    )
    warnings = []
    for chain in chains:
        purpose = f"cannot let pods through chain {chain.name} of table {chain.family} {chain.table}"
        try:
            nft.run(purpose, [_insertion(chain, bridge, direction) for direction in DIRECTIONS])
        except PodrunError as error:
            warnings.append(error.message)
    return tuple(warnings)


def missing(bridge: str, networks: Sequence[Network], *, has_ports: bool) -> frozenset[str]:
    """What others took away of our rules, or what theirs now need beside them, in words. Raises PodrunError."""
    ruleset = nft.ruleset(f"cannot read the firewall for bridge {bridge}")
    return gaps(ruleset, bridge, {network.version for network in networks}, has_ports=has_ports)


def gaps(ruleset: list[Command], bridge: str, versions: Collection[int], *, has_ports: bool) -> frozenset[str]:
    """What `missing` says. Pure."""
    wanted = [("inet", owner(bridge)), ("bridge", senders.table_name(bridge))]
    wanted += [("inet", host_ports.table_name(bridge))] if has_ports else []
    tables = {(entry["table"]["family"], entry["table"]["name"]) for entry in ruleset if "table" in entry}
    found = {f"table {family} {name}" for family, name in wanted if (family, name) not in tables}
    chains = set(dropping_chains(ruleset, versions))
    served = {rule.chain for rule in own_rules(ruleset, bridge)}
    found |= {f"rules in chain {chain.name} of table {chain.family} {chain.table}" for chain in chains - served}
    guarded = any(
        entry["chain"]["table"] == owner(bridge) and entry["chain"]["name"] == "forward"
        for entry in ruleset
        if "chain" in entry
    )
    return frozenset(found | ({"the rules that keep strangers out"} if chains and not guarded else set()))


def remove(bridge: str) -> bool:
    """Take away every rule of this bridge, also those of host_ports and senders. False where there was none.

    Raises PodrunError.
    """
    ruleset = nft.ruleset(f"cannot read the firewall for bridge {bridge}")
    tables = (
        ("inet", owner(bridge)),
        ("inet", host_ports.table_name(bridge)),
        ("bridge", senders.table_name(bridge)),
    )
    commands = _removal(ruleset, bridge, tables)
    if commands:
        nft.run(f"cannot remove the firewall of bridge {bridge}", commands)
    return bool(commands)


def own_table(bridge: str, networks: Sequence[Network], *, guarded: bool) -> list[Command]:
    """The commands that make our table. Pure.

    `guarded`: the host drops what it forwards unless told otherwise. Our rules in its chains have to stay simple
    (iptables refuses to touch a table that holds expressions it can't show, such as ct), so it is decided here that
    from outside only answers reach the pods.
    """
    table = {"family": "inet", "table": owner(bridge)}
    commands: list[Command] = [
        {"add": {"table": {"family": "inet", "name": owner(bridge)}}},
        nft.base_chain(table, "postrouting", "nat", "postrouting", 100),
    ]
    commands += [
        nft.rule(table, "postrouting", _masquerade(network, bridge)) for network in networks if _is_private(network)
    ]
    if guarded:
        commands.append(nft.base_chain(table, "forward", "filter", "forward", -10))
        to_pods = [nft.meta("iifname", "!=", bridge), nft.meta("oifname", "==", bridge)]
        for key, values in (("state", ["established", "related"]), ("status", ["dnat"])):
            expected = nft.match({"ct": {"key": key}}, "in", values)
            commands.append(nft.rule(table, "forward", [*to_pods, expected, {"accept": None}]))
        commands.append(nft.rule(table, "forward", [*to_pods, {"drop": None}]))
    return commands


def dropping_chains(ruleset: list[Command], versions: Collection[int] = (4,)) -> list[Chain]:
    """Where an accept has to stand for forwarded packets to pass: a chain for each base chain that drops. Pure."""
    families = {family for version in versions for family in FAMILIES[version]}
    chains = [entry["chain"] for entry in ruleset if "chain" in entry]
    found = []
    for chain in chains:
        if chain.get("hook") != "forward" or chain["family"] not in families or chain["table"].startswith(owner("")):
            continue
        if chain.get("policy") == "drop" or any(_refuses(rule) for rule in _rules_of(ruleset, chain)):
            jumps = any(_jumps_to(rule, DOCKER_CHAIN) for rule in _rules_of(ruleset, chain))
            name = DOCKER_CHAIN if jumps else chain["name"]
            found.append(Chain(chain["family"], chain["table"], name))
    return found


def own_rules(ruleset: list[Command], bridge: str) -> list[Rule]:
    """Our rules in chains of others. Pure."""
    rules = [entry["rule"] for entry in ruleset if "rule" in entry]
    return [
        Rule(Chain(rule["family"], rule["table"], rule["chain"]), rule["handle"])
        for rule in rules
        if rule["table"] != owner(bridge) and _is_ours(rule, bridge)
    ]


def _is_ours(rule: Command, bridge: str) -> bool:
    """By its comment. iptables-restore moves that to where nft shows only that there is one: then by all the rest."""
    if rule.get("comment") == owner(bridge):
        return True
    expression = [part for part in rule.get("expr", ()) if "counter" not in part]
    comment = {"xt": {"type": "match", "name": "comment"}}
    return any(expression == [nft.meta(direction, "==", bridge), comment, {"accept": None}] for direction in DIRECTIONS)


def _removal(ruleset: list[Command], bridge: str, tables: Collection[tuple[str, str]]) -> list[Command]:
    commands: list[Command] = [
        {"delete": {"rule": {**_place(rule.chain), "handle": rule.handle}}} for rule in own_rules(ruleset, bridge)
    ]
    found = [entry["table"] for entry in ruleset if "table" in entry]
    return commands + [
        {"delete": {"table": {"family": table["family"], "name": table["name"]}}}
        for table in found
        if (table["family"], table["name"]) in tables
    ]


def _insertion(chain: Chain, bridge: str, direction: str) -> Command:
    expression = [nft.meta(direction, "==", bridge), {"accept": None}]
    return {"insert": {"rule": {**_place(chain), "comment": owner(bridge), "expr": expression}}}


def _place(chain: Chain) -> Command:
    return {"family": chain.family, "table": chain.table, "chain": chain.name}


def _is_private(network: Network) -> bool:
    """An IPv6 network that others route to needs no other name outside."""
    return isinstance(network, ipaddress.IPv4Network) or network.subnet_of(UNIQUE_LOCAL)


def _masquerade(network: Network, bridge: str) -> list[Command]:
    family = "ip" if network.version == 4 else "ip6"
    pods = nft.prefix(network.network_address, network.prefixlen)
    return [
        nft.match(nft.field(family, "saddr"), "==", pods),
        nft.match(nft.field(family, "daddr"), "!=", pods),
        nft.meta("oifname", "!=", bridge),
        {"masquerade": None},
    ]


def _rules_of(ruleset: list[Command], chain: Command) -> Iterator[Command]:
    for entry in ruleset:
        rule = entry.get("rule", {})
        if (rule.get("family"), rule.get("table"), rule.get("chain")) == (
            chain["family"],
            chain["table"],
            chain["name"],
        ):
            yield rule


def _refuses(rule: Command) -> bool:
    """Drops or rejects something. What iptables translates to no verdict of nft's is shown as an xt target."""
    for expression in rule.get("expr", ()):
        if "drop" in expression or "reject" in expression or (expression.get("xt") or {}).get("name") == "REJECT":
            return True
    return False


def _jumps_to(rule: Command, chain: str) -> bool:
    return any((expression.get("jump") or {}).get("target") == chain for expression in rule.get("expr", ()))
