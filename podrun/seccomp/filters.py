"""Profiles to BPF programs: each made once for a set of capabilities, and kept. Loads libseccomp at the first use."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from importlib import resources

from podrun.linux import capabilities, libseccomp
from podrun.linux.libseccomp import Condition
from podrun.seccomp import compact, profile, stub
from podrun.seccomp.profile import Place, Profile, ProfileError

MOST_KEPT = 64
_GOARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_NAMES = {"arm64": "aarch64"}  # of libseccomp, where it is not SCMP_ARCH_ in lower case
_ACTIONS = {
    "ALLOW": libseccomp.ALLOW,
    "KILL": libseccomp.KILL_THREAD,
    "KILL_THREAD": libseccomp.KILL_THREAD,
    "KILL_PROCESS": libseccomp.KILL_PROCESS,
    "TRAP": libseccomp.TRAP,
    "LOG": libseccomp.LOG,
}
_LENIENT = ("ALLOW", "LOG", "TRACE")


def is_supported() -> bool:
    """Whether this kernel filters system calls: seccomp(2), CONFIG_SECCOMP_FILTER."""
    return os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


@functools.lru_cache(maxsize=MOST_KEPT)
def default_program(mask: int) -> bytes:
    """podrun's own profile, for a container with the capabilities `mask`. ProfileError, LibraryMissing."""
    if sys.byteorder != "little":
        return program(default_text(), mask)
    parsed = profile.parse(default_text())
    architectures = _architectures(parsed)
    rules = profile.rules_for(parsed, _place(mask))
    tables = {token: _verdicts(rules, token) for token in architectures}
    default = _action(parsed.default, parsed.default_number)
    return compact.assemble(default, tables, _newest(parsed, architectures))


@functools.lru_cache(maxsize=MOST_KEPT)
def program(text: str, mask: int) -> bytes:
    """The program of a profile in JSON, for a container with the capabilities `mask`. ProfileError, LibraryMissing."""
    parsed = profile.parse(text)
    architectures = _architectures(parsed)
    rules = [rule for given in profile.rules_for(parsed, _place(mask)) for rule in _flat(given)]
    try:
        compiled = libseccomp.compile(_action(parsed.default, parsed.default_number), rules, architectures)
    except libseccomp.LibraryMissing:
        raise
    except OSError as error:
        raise ProfileError(str(error.strerror or error)) from error
    if parsed.default in _LENIENT:
        return compiled
    return stub.answering_enosys(compiled, _newest(parsed, architectures))


@functools.cache
def default_text() -> str:
    return resources.files("podrun.seccomp").joinpath("default.json").read_text()


def _place(mask: int) -> Place:
    machine = os.uname()
    names = frozenset(name for name, number in capabilities.NUMBERS.items() if mask >> number & 1)
    return Place(names, _GOARCH.get(machine.machine, machine.machine), profile.kernel_version(machine.release))


def _verdicts(rules: Sequence[profile.Rule], architecture: int) -> dict[int, compact.Verdict]:
    """What the rules say of each number. Rules about one system call add up: all have the same action."""
    found: dict[int, compact.Verdict] = {}
    for rule in rules:
        action = _action(rule.action, rule.number)
        for number in (libseccomp.number(name, architecture) for name in rule.syscalls):
            if number < 0:
                continue
            before = found.get(number, compact.Verdict(action, ()))
            assert before.action == action, f"the default profile contradicts itself about {rule.syscalls}"
            cases = ((),) if () in before.cases or not rule.arguments else (*before.cases, rule.arguments)
            found[number] = compact.Verdict(action, cases)
    return found


def _architectures(parsed: Profile) -> tuple[int, ...]:
    names = profile.architectures_for(parsed, os.uname().machine.upper())
    tokens = {name: libseccomp.architecture(_NAMES.get(name.lower(), name.lower())) for name in names}
    if unknown := [name for name, token in tokens.items() if not token]:
        raise ProfileError(f"unknown architecture: SCMP_ARCH_{unknown[0]}")
    return tuple(tokens.values())


def _flat(rule: profile.Rule) -> list[libseccomp.Rule]:
    """One rule for each system call. Of conditions on one argument any may hold, as in runc: they get rules of their
    own."""
    conditions = [Condition(a.index, libseccomp.OPERATORS.index(a.operator), a.value, a.second) for a in rule.arguments]
    indices = [condition.argument for condition in conditions]
    together = len(set(indices)) == len(indices)
    groups = [tuple(conditions)] if together else [(condition,) for condition in conditions]
    action = _action(rule.action, rule.number)
    return [libseccomp.Rule(name, action, group) for name in rule.syscalls for group in groups]


def _action(name: str, number: int) -> int:
    match name:
        case "ERRNO":
            return libseccomp.errno_action(number)
        case "TRACE":
            return libseccomp.trace_action(number)
        case _:
            return _ACTIONS[name]


def _newest(parsed: Profile, architectures: tuple[int, ...]) -> dict[int, int]:
    """The highest number that the profile speaks of, for each architecture; x32 is part of x86_64."""
    names = {name for rule in parsed.rules for name in rule.syscalls}
    return {
        token: max((libseccomp.number(name, token) for name in names), default=0)
        for token in architectures
        if token != _x32()
    }


@functools.cache
def _x32() -> int:
    return libseccomp.architecture("x32")
