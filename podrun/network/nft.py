"""Runs nft(8) with commands in its JSON, all or nothing, and reads what the kernel has."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from podrun.errors import PodrunError

Command = dict[str, Any]  # one element of nft's JSON, see libnftables-json(5)


def ruleset(purpose: str) -> list[Command]:
    """Everything in the kernel. Raises PodrunError: `purpose` and why not."""
    result = _nft(["-j", "list", "ruleset"], "")
    if result.returncode != 0:
        raise PodrunError(f"{purpose}: {result.stderr.strip()}")
    return list(json.loads(result.stdout)["nftables"]) if result.stdout.strip() else []


def run(purpose: str, commands: list[Command]) -> None:
    """In one transaction. Raises PodrunError: `purpose` and the first reason."""
    _check(purpose, _nft(["-j", "-f", "-"], json.dumps({"nftables": commands})))


def run_text(purpose: str, text: str) -> None:
    """The same in nft's own words, for what its JSON cannot say."""
    _check(purpose, _nft(["-f", "-"], text))


def base_chain(table: Command, name: str, kind: str, hook: str, priority: int) -> Command:
    return {"add": {"chain": {**table, "name": name, "type": kind, "hook": hook, "prio": priority, "policy": "accept"}}}


def rule(table: Command, chain: str, expression: list[Command]) -> Command:
    return {"add": {"rule": {**table, "chain": chain, "expr": expression}}}


def meta(key: str, operator: str, value: object) -> Command:
    return {"match": {"op": operator, "left": {"meta": {"key": key}}, "right": value}}


def field(protocol: str, name: str) -> Command:
    return {"payload": {"protocol": protocol, "field": name}}


def match(left: Command, operator: str, right: object) -> Command:
    return {"match": {"op": operator, "left": left, "right": right}}


def prefix(address: object, length: int) -> Command:
    return {"prefix": {"addr": str(address), "len": length}}


def _check(purpose: str, result: subprocess.CompletedProcess[str]) -> None:
    if result.returncode != 0:
        reason = result.stderr.strip().splitlines() or [f"nft ended with {result.returncode}"]
        raise PodrunError(f"{purpose}: {reason[0]}", hint="nftables must be supported by the kernel")


def _nft(arguments: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["nft", *arguments], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PodrunError("cannot set up the pod network: nft is not installed", hint="apt install nftables") from error
