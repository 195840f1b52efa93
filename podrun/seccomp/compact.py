"""A small BPF program for a profile of simple rules: a binary search over ranges of system call numbers. Pure.

libseccomp's own is twice as long or more, and a kernel runs the program for each number while it is loaded: a container
would take longer to start. tests/unit/test_seccomp.py shows that both say the same.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from podrun.seccomp.profile import Argument

ENOSYS = 38
KILL_THREAD = 0x00000000
RETURN_ERRNO = 0x00050000
OPERATORS = frozenset(("EQ", "LT", "MASKED_EQ"))

# linux/bpf_common.h: BPF_LD|W|ABS, BPF_JMP|JEQ|K and so on; offsets are those of struct seccomp_data.
_LOAD, _RETURN, _AND, _JUMP, _EQUAL, _AT_LEAST = 0x20, 0x06, 0x54, 0x05, 0x15, 0x35
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_FARTHEST = 255  # instructions that a conditional jump can skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one system call: `action` (SECCOMP_RET_*), if all arguments of one of the `cases` fit."""

    action: int
    cases: tuple[tuple[Argument, ...], ...] = ((),)


Code = list[tuple[int, int, int, int]]  # code, jump if true, jump if false, operand


def assemble(default: int, tables: Mapping[int, Mapping[int, Verdict]], newest: Mapping[int, int]) -> bytes:
    """The program. `tables`: for each AUDIT_ARCH_* token, the verdicts by number; `newest`: the last number that the
    profile knows there, above which all is ENOSYS. Little-endian machines only."""
    code: Code = [(_LOAD, 0, 0, _ARCHITECTURE)]
    for architecture, verdicts in tables.items():
        ranges = _ranges(default, verdicts, newest[architecture])
        block: Code = [(_LOAD, 0, 0, _NUMBER), *_search(default, ranges)]
        code += [(_EQUAL, 1, 0, architecture), (_JUMP, 0, 0, len(block)), *block]
    code.append((_RETURN, 0, 0, KILL_THREAD))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _ranges(default: int, verdicts: Mapping[int, Verdict], newest: int) -> list[tuple[int, Verdict]]:
    """The first number of each range of equal verdicts, in order."""
    ranges: list[tuple[int, Verdict]] = []
    for number in range(newest + 1):
        verdict = verdicts.get(number, Verdict(default))
        if not ranges or ranges[-1][1] != verdict:
            ranges.append((number, verdict))
    return [*ranges, (newest + 1, Verdict(RETURN_ERRNO | ENOSYS))]


def _search(default: int, ranges: Sequence[tuple[int, Verdict]]) -> Code:
    if len(ranges) == 1:
        return _leaf(default, ranges[0][1])
    middle = len(ranges) // 2
    below, above = _search(default, ranges[:middle]), _search(default, ranges[middle:])
    if len(below) <= _FARTHEST:
        return [(_AT_LEAST, len(below), 0, ranges[middle][0]), *below, *above]
    return [(_AT_LEAST, 0, 1, ranges[middle][0]), (_JUMP, 0, 0, len(below)), *below, *above]


def _leaf(default: int, verdict: Verdict) -> Code:
    code: Code = []
    for arguments in verdict.cases:
        allowed: Code = [(_RETURN, 0, 0, verdict.action)]
        for argument in reversed(arguments):
            allowed = [*_test(argument, len(allowed)), *allowed]
        code += allowed
    return code if () in verdict.cases else [*code, (_RETURN, 0, 0, default)]


def _test(argument: Argument, following: int) -> Code:
    """Goes on with the next instruction where it holds, else behind the `following` ones. Arguments have 64 bits."""
    low = _ARGUMENTS + 8 * argument.index
    words = ((low + 4, argument.value >> 32, argument.second >> 32), (low, argument.value, argument.second))
    code: Code = []
    for offset, first, second in words:
        first, second = first & 0xFFFFFFFF, second & 0xFFFFFFFF
        match argument.operator:
            case "MASKED_EQ":
                code += [(_LOAD, 0, 0, offset), (_AND, 0, 0, first), (_EQUAL, 0, -1, second)]
            case "LT" if offset == low:
                code += [(_LOAD, 0, 0, offset), (_AT_LEAST, -1, 0, first)]
            case _:
                code += [(_LOAD, 0, 0, offset), (_EQUAL, 0, -1, first)]
    end = len(code) + following
    return [
        (op, end - i - 1 if yes < 0 else yes, end - i - 1 if no < 0 else no, k)
        for i, (op, yes, no, k) in enumerate(code)
    ]
