"""Which chains of the host need a rule of ours, from the listing nft gives."""

from __future__ import annotations

from typing import Any

from podrun.network import firewall


def chain(name: str = "FORWARD", table: str = "filter", family: str = "ip", **more: Any) -> dict[str, Any]:
    return {"chain": {"family": family, "table": table, "name": name, "hook": "forward", **more}}


def rule(*expressions: dict[str, Any], chain: str = "FORWARD", **more: Any) -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": "filter", "chain": chain, "handle": 7, "expr": list(expressions), **more}}


def test_an_open_host_needs_no_rule() -> None:
    assert firewall.dropping_chains([{"metainfo": {}}, chain(policy="accept"), rule({"accept": None})]) == []


def test_a_forward_policy_of_drop_needs_one() -> None:
    assert firewall.dropping_chains([chain(policy="drop")]) == [firewall.Chain("ip", "filter", "FORWARD")]


def test_a_chain_that_ends_in_reject_needs_one() -> None:
    ruleset = [chain(policy="accept"), rule({"counter": {}}, {"reject": {"type": "icmp"}})]
    assert firewall.dropping_chains(ruleset) == [firewall.Chain("ip", "filter", "FORWARD")]


def test_beside_docker_the_rule_goes_where_docker_leaves_it_alone() -> None:
    ruleset = [chain(policy="drop"), rule({"counter": {}}, {"jump": {"target": "DOCKER-USER"}})]
    assert firewall.dropping_chains(ruleset) == [firewall.Chain("ip", "filter", "DOCKER-USER")]


def test_the_table_of_any_instance_of_podrun_is_not_the_hosts() -> None:
    assert firewall.dropping_chains([chain("forward", "podrun-other0", "inet", policy="drop")]) == []


def test_chains_on_other_hooks_do_not_matter() -> None:
    ruleset = [{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}}]
    assert firewall.dropping_chains(ruleset) == []


def test_our_rules_are_known_by_their_comment() -> None:
    ruleset = [rule({"accept": None}, comment="podrun-br0"), rule({"accept": None}, comment="podrun-br1"), rule()]
    expected = [firewall.Rule(firewall.Chain("ip", "filter", "FORWARD"), 7)]
    assert firewall.own_rules(ruleset, "br0") == expected


def test_our_rules_are_known_after_iptables_restored_them() -> None:
    match = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "br0"}}
    comment = {"xt": {"type": "match", "name": "comment"}}
    ruleset = [rule(match, comment, {"counter": {"packets": 0, "bytes": 0}}, {"accept": None})]
    assert len(firewall.own_rules(ruleset, "br0")) == 1
    assert firewall.own_rules(ruleset, "br1") == []
    assert firewall.own_rules([rule(match, {"accept": None})], "br0") == []


def test_a_rejection_by_iptables_counts_as_one() -> None:
    ruleset = [chain(policy="accept"), rule({"xt": {"type": "target", "name": "REJECT"}})]
    assert firewall.dropping_chains(ruleset) == [firewall.Chain("ip", "filter", "FORWARD")]
