"""Masquerade for what pods send outward, and passage through a host firewall that drops what it would forward.

One nftables table per bridge, replaced as a whole in one transaction. An accept in it can't outvote a drop elsewhere,
so hosts that drop (Docker, ufw, rules of their own) get rules in that chain, with a comment that names their owner.
Rules for single pods (host ports, network policy) are not made here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from podrun.errors import PodrunError
from podrun.network.addresses import Network

DOCKER_CHAIN = "DOCKER-USER"  # Docker jumps here first and never empties it

DIRECTIONS = ("iifname", "oifname")
FAMILIES = ("ip", "inet")  # and ip6 once pods have IPv6

Command = dict[str, Any]  # one element of nft's JSON, see libnftables-json(5)


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
    ruleset = _ruleset(bridge)
    chains = dropping_chains(ruleset)
    table = own_table(bridge, networks, guarded=bool(chains))
    _run(f"cannot set up the firewall for bridge {bridge}", [*_removal(ruleset, bridge), *table])
    warnings = []
    for chain in chains:
        purpose = f"cannot let pods through chain {chain.name} of table {chain.family} {chain.table}"
        try:
            _run(purpose, [_insertion(chain, bridge, direction) for direction in DIRECTIONS])
        except PodrunError as error:
            warnings.append(error.message)
    return tuple(warnings)


def remove(bridge: str) -> bool:
    """Take away every rule of this bridge. False where there was none. Raises PodrunError."""
    commands = _removal(_ruleset(bridge), bridge)
    if commands:
        _run(f"cannot remove the firewall of bridge {bridge}", commands)
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
        _base_chain(table, "postrouting", "nat", "postrouting", 100),
    ]
    commands += [_rule(table, "postrouting", _masquerade(network, bridge)) for network in networks]
    if guarded:
        commands.append(_base_chain(table, "forward", "filter", "forward", -10))
        to_pods = [_match("iifname", "!=", bridge), _match("oifname", "==", bridge)]
        for key, values in (("state", ["established", "related"]), ("status", ["dnat"])):
            expected = {"match": {"op": "in", "left": {"ct": {"key": key}}, "right": values}}
            commands.append(_rule(table, "forward", [*to_pods, expected, {"accept": None}]))
        commands.append(_rule(table, "forward", [*to_pods, {"drop": None}]))
    return commands


def dropping_chains(ruleset: list[Command]) -> list[Chain]:
    """Where an accept has to stand for forwarded packets to pass: a chain for each base chain that drops. Pure."""
    chains = [entry["chain"] for entry in ruleset if "chain" in entry]
    found = []
    for chain in chains:
        if chain.get("hook") != "forward" or chain["family"] not in FAMILIES or chain["table"].startswith(owner("")):
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
    return any(expression == [_match(direction, "==", bridge), comment, {"accept": None}] for direction in DIRECTIONS)


def _removal(ruleset: list[Command], bridge: str) -> list[Command]:
    commands: list[Command] = [
        {"delete": {"rule": {**_place(rule.chain), "handle": rule.handle}}} for rule in own_rules(ruleset, bridge)
    ]
    tables = [entry["table"] for entry in ruleset if "table" in entry]
    if any(table["family"] == "inet" and table["name"] == owner(bridge) for table in tables):
        commands.append({"delete": {"table": {"family": "inet", "name": owner(bridge)}}})
    return commands


def _insertion(chain: Chain, bridge: str, direction: str) -> Command:
    expression = [_match(direction, "==", bridge), {"accept": None}]
    return {"insert": {"rule": {**_place(chain), "comment": owner(bridge), "expr": expression}}}


def _place(chain: Chain) -> Command:
    return {"family": chain.family, "table": chain.table, "chain": chain.name}


def _masquerade(network: Network, bridge: str) -> list[Command]:
    family = "ip" if network.version == 4 else "ip6"
    pods = {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}

    def address(field: str) -> Command:
        return {"payload": {"protocol": family, "field": field}}

    return [
        {"match": {"op": "==", "left": address("saddr"), "right": pods}},
        {"match": {"op": "!=", "left": address("daddr"), "right": pods}},
        _match("oifname", "!=", bridge),
        {"masquerade": None},
    ]


def _base_chain(table: Command, name: str, kind: str, hook: str, priority: int) -> Command:
    return {"add": {"chain": {**table, "name": name, "type": kind, "hook": hook, "prio": priority, "policy": "accept"}}}


def _rule(table: Command, chain: str, expression: list[Command]) -> Command:
    return {"add": {"rule": {**table, "chain": chain, "expr": expression}}}


def _match(key: str, operator: str, value: str) -> Command:
    return {"match": {"op": operator, "left": {"meta": {"key": key}}, "right": value}}


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


def _ruleset(bridge: str) -> list[Command]:
    result = _nft(["-j", "list", "ruleset"], "")
    if result.returncode != 0:
        raise PodrunError(f"cannot read the firewall for bridge {bridge}: {result.stderr.strip()}")
    return list(json.loads(result.stdout)["nftables"]) if result.stdout.strip() else []


def _run(purpose: str, commands: list[Command]) -> None:
    result = _nft(["-j", "-f", "-"], json.dumps({"nftables": commands}))
    if result.returncode != 0:
        reason = result.stderr.strip().splitlines() or [f"nft ended with {result.returncode}"]
        raise PodrunError(f"{purpose}: {reason[0]}", hint="nftables must be supported by the kernel")


def _nft(arguments: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["nft", *arguments], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PodrunError("cannot set up the pod network: nft is not installed", hint="apt install nftables") from error
