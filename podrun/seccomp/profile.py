"""A seccomp profile: JSON in the OCI form to a typed value, and what of it holds for one container. Pure.

Form: runtime-spec, config-linux.md ("Seccomp"); with `includes`, `excludes` and `archMap` as Docker has added them,
which say for which capabilities, architectures and kernels a rule is meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

EPERM = 1
ACTIONS = frozenset(("ALLOW", "ERRNO", "KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP", "TRACE", "LOG"))
OPERATORS = frozenset(("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))


class ProfileError(ValueError):
    """The profile says something that is not in the form, or that podrun does not carry out."""


@dataclass(frozen=True, slots=True)
class Argument:
    index: int
    operator: str  # without SCMP_CMP_
    value: int  # the mask of MASKED_EQ
    second: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule is meant for; empty means everywhere."""

    capabilities: frozenset[str] = frozenset()  # without CAP_
    architectures: frozenset[str] = frozenset()
    kernel: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Rule:
    syscalls: tuple[str, ...]
    action: str  # without SCMP_ACT_
    number: int = EPERM  # what ERRNO returns, and TRACE tells
    arguments: tuple[Argument, ...] = ()
    includes: Scope = Scope()
    excludes: Scope = Scope()


@dataclass(frozen=True, slots=True)
class Profile:
    default: str
    default_number: int
    rules: tuple[Rule, ...]
    architectures: tuple[str, ...] = ()  # without SCMP_ARCH_; those of the machine where empty
    related: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of an architecture, others that the machine runs, too


@dataclass(frozen=True, slots=True)
class Place:
    """For whom a profile is made: the container's capabilities, the machine's architecture (GOARCH) and kernel."""

    capabilities: frozenset[str]
    architecture: str
    kernel: tuple[int, int]


def parse(text: str) -> Profile:
    """Raises ProfileError with the path of what is wrong."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"not JSON: {error}") from error
    root = _Node(tree, "profile")
    if root.text("listenerPath"):
        raise ProfileError("listenerPath: nobody listens to SCMP_ACT_NOTIFY here")
    default_number = root.number("defaultErrnoRet", EPERM)
    return Profile(
        default=_action(root, "defaultAction"),
        default_number=default_number,
        rules=tuple(_rule(node) for node in root.nodes("syscalls")),
        architectures=tuple(name.removeprefix("SCMP_ARCH_") for name in root.texts("architectures")),
        related=tuple(
            (
                node.text("architecture").removeprefix("SCMP_ARCH_"),
                tuple(name.removeprefix("SCMP_ARCH_") for name in node.texts("subArchitectures")),
            )
            for node in root.nodes("archMap")
        ),
    )


def rules_for(profile: Profile, place: Place) -> tuple[Rule, ...]:
    """The rules that hold for `place`, each one that only repeats the default left out."""
    default = (profile.default, profile.default_number)
    return tuple(
        rule
        for rule in profile.rules
        if _includes(rule.includes, place)
        and not _excludes(rule.excludes, place)
        and (rule.action, rule.number if rule.action == "ERRNO" else default[1]) != default
    )


def architectures_for(profile: Profile, native: str) -> tuple[str, ...]:
    """Those whose system calls the profile is for; `native` (as in SCMP_ARCH_) is the machine's own."""
    return profile.architectures or (native, *dict(profile.related).get(native, ()))


def _includes(scope: Scope, place: Place) -> bool:
    return (
        scope.capabilities <= place.capabilities
        and (not scope.architectures or place.architecture in scope.architectures)
        and scope.kernel <= place.kernel
    )


def _excludes(scope: Scope, place: Place) -> bool:
    return bool(scope.capabilities & place.capabilities) or place.architecture in scope.architectures


@dataclass(frozen=True, slots=True)
class _Node:
    """An object of the JSON with its path, read with the types checked. Unknown fields are of no concern."""

    value: Any
    path: str

    def _get(self, name: str, kind: type, otherwise: Any) -> Any:
        if not isinstance(self.value, dict):
            raise ProfileError(f"{self.path}: not an object")
        found = self.value.get(name)
        if found is None:
            return otherwise
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is int):
            raise ProfileError(f"{self.path}.{name}: not a {_KINDS[kind]}")
        return found

    def text(self, name: str) -> str:
        return str(self._get(name, str, ""))

    def number(self, name: str, otherwise: int = 0) -> int:
        return int(self._get(name, int, otherwise))

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._get(name, list, [])
        if not all(isinstance(item, str) for item in found):
            raise ProfileError(f"{self.path}.{name}: not a list of strings")
        return tuple(found)

    def node(self, name: str) -> _Node:
        return _Node(self._get(name, dict, {}), f"{self.path}.{name}")

    def nodes(self, name: str) -> Iterable[_Node]:
        return (_Node(item, f"{self.path}.{name}[{i}]") for i, item in enumerate(self._get(name, list, [])))


_KINDS: dict[type, str] = {str: "string", int: "number", list: "list", dict: "object"}


def _rule(node: _Node) -> Rule:
    names = node.texts("names") or ((node.text("name"),) if node.text("name") else ())
    if not names:
        raise ProfileError(f"{node.path}.names: names no system call")
    return Rule(
        syscalls=names,
        action=_action(node, "action"),
        number=node.number("errnoRet", EPERM),
        arguments=tuple(_argument(each) for each in node.nodes("args")),
        includes=_scope(node.node("includes")),
        excludes=_scope(node.node("excludes")),
    )


def _argument(node: _Node) -> Argument:
    index = node.number("index")
    if not 0 <= index <= 5:
        raise ProfileError(f"{node.path}.index: a system call has arguments 0 to 5")
    operator = _known(node, "op", "SCMP_CMP_", OPERATORS)
    return Argument(index, operator, node.number("value") % (1 << 64), node.number("valueTwo") % (1 << 64))


def _scope(node: _Node) -> Scope:
    kernel = node.text("minKernel")
    return Scope(
        capabilities=frozenset(name.removeprefix("CAP_") for name in node.texts("caps")),
        architectures=frozenset(node.texts("arches")),
        kernel=kernel_version(kernel) if kernel else (0, 0),
    )


def kernel_version(release: str) -> tuple[int, int]:
    """(6, 1) of "6.1.0-25-amd64"; (0, 0) for what is no version."""
    major, _, rest = release.partition(".")
    minor = "".join(c if c.isdecimal() else " " for c in rest).split(" ")[0]
    return (int(major), int(minor or 0)) if major.isdecimal() else (0, 0)


def _action(node: _Node, name: str) -> str:
    return _known(node, name, "SCMP_ACT_", ACTIONS)


def _known(node: _Node, name: str, prefix: str, known: frozenset[str]) -> str:
    value = node.text(name)
    if not value.startswith(prefix) or value.removeprefix(prefix) not in known:
        raise ProfileError(f'{node.path}.{name}: unknown or not carried out: "{value}"')
    return value.removeprefix(prefix)
