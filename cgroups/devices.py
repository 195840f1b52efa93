"""Which devices a group may use, as a program for BPF_PROG_TYPE_CGROUP_DEVICE, assembled by hand. Pure.

Works wherever cgroup v2 does, beside v1 controllers too: on v2 devices have no files, only programs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Literal


class Access(IntFlag):
    """BPF_DEVCG_ACC_* of linux/bpf.h."""

    MKNOD = 1
    READ = 2
    WRITE = 4


ANY = Access.MKNOD | Access.READ | Access.WRITE


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """What may be done with some devices; None stands for every number, "a" for both types."""

    type: Literal["a", "b", "c"]
    major: int | None = None
    minor: int | None = None
    access: Access = ANY


EVERYTHING = (DeviceRule("a"),)

STANDARD = (
    DeviceRule("c", access=Access.MKNOD),
    DeviceRule("b", access=Access.MKNOD),
    DeviceRule("c", 1, 3),  # null
    DeviceRule("c", 1, 5),  # zero
    DeviceRule("c", 1, 7),  # full
    DeviceRule("c", 1, 8),  # random
    DeviceRule("c", 1, 9),  # urandom
    DeviceRule("c", 5, 0),  # tty
    DeviceRule("c", 5, 2),  # ptmx
    DeviceRule("c", 136),  # pts/*
)
"""What OCI runtimes allow every container: any node may be made, and a few harmless ones opened."""

_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*

# Registers. The context, struct bpf_cgroup_dev_ctx, is three 32-bit numbers: access << 16 | type, major, minor.
_RESULT, _CONTEXT, _TYPE, _ACCESS, _MAJOR, _MINOR = range(6)
_LOAD_WORD = 0x61
_COPY, _AND, _SHIFT_RIGHT, _SET = 0xBC, 0x54, 0x74, 0xB4  # of 32 bits
_JUMP_UNLESS_EQUAL, _JUMP_UNLESS_SAME, _EXIT = 0x55, 0x5D, 0x95


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    return struct.pack("=BBhi", code, target | source << 4, offset, number)


def program(rules: tuple[DeviceRule, ...]) -> bytes:
    """An array of struct bpf_insn that gives 1 for what one of `rules` allows, 0 for everything else."""
    parts = [
        _instruction(_LOAD_WORD, _TYPE, _CONTEXT, 0),
        _instruction(_COPY, _ACCESS, _TYPE),
        _instruction(_AND, _TYPE, number=0xFFFF),
        _instruction(_SHIFT_RIGHT, _ACCESS, number=16),
        _instruction(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        _instruction(_LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for rule in rules:
        parts += _allowing(rule)
    return b"".join((*parts, _instruction(_SET, _RESULT), _instruction(_EXIT)))


def _allowing(rule: DeviceRule) -> Iterator[bytes]:
    """Give 1 if the rule fits, else go on behind it."""
    wanted = [(_TYPE, _TYPES.get(rule.type)), (_MAJOR, rule.major), (_MINOR, rule.minor)]
    comparisons = [(register, number) for register, number in wanted if number is not None]
    # The access asked for must be within the rule's; the context is no longer needed, its register is free.
    within = rule.access != ANY
    left = len(comparisons) + 3 * within + 2
    for register, number in comparisons:
        left -= 1
        yield _instruction(_JUMP_UNLESS_EQUAL, register, offset=left, number=number)
    if within:
        left -= 3
        yield _instruction(_COPY, _CONTEXT, _ACCESS)
        yield _instruction(_AND, _CONTEXT, number=rule.access)
        yield _instruction(_JUMP_UNLESS_SAME, _CONTEXT, _ACCESS, offset=left)
    yield _instruction(_SET, _RESULT, number=1)
    yield _instruction(_EXIT)
