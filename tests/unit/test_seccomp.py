"""The default profile and those of users: what they mean, and that the compact program says what libseccomp's says."""

from __future__ import annotations

import json
import struct

import pytest

from podrun.container import defaults
from podrun.linux import capabilities, libseccomp
from podrun.seccomp import filters, profile
from podrun.seccomp.profile import ProfileError

ALLOWED, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
DEFAULT = defaults.DEFAULT_CAPABILITIES
X86_64, X86 = 0xC000003E, 0x40000003
NAMESPACE = 0x10000000  # CLONE_NEWUSER


def verdict(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What a kernel would make of one system call: classic BPF as far as seccomp takes it."""
    seen = struct.pack("=iIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    accumulator = position = 0
    while True:
        code, yes, no, operand = struct.unpack_from("=HBBI", program, 8 * position)
        position += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", seen, operand)
            case 0x54:
                accumulator &= operand
            case 0x05:
                position += operand
            case 0x15:
                position += yes if accumulator == operand else no
            case 0x25:
                position += yes if accumulator > operand else no
            case 0x35:
                position += yes if accumulator >= operand else no
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"unexpected instruction {code:#x}")


def call(name: str, *arguments: int, mask: int = DEFAULT, architecture: int = X86_64) -> int:
    number = libseccomp.number(name, architecture)
    assert number >= 0
    return verdict(filters.default_program(mask), architecture, number, *arguments)


SAMPLES = (0, 1, 2, 8, 10, 37, 38, 39, 40, 41, 45, 46, 0x20000, 0x20008, NAMESPACE, 0x7E020000, 0x11, 0xFFFFFFFF,
           1 << 32, (1 << 32) + 2, (1 << 32) + 38, (1 << 64) - 1)  # fmt: skip
SETS = {"none": 0, "default": DEFAULT, "admin": DEFAULT | capabilities.mask("SYS_ADMIN"), "all": (1 << 41) - 1}


@pytest.mark.parametrize("mask", SETS.values(), ids=SETS.keys())
def test_the_compact_program_says_what_libseccomps_says(mask: int) -> None:
    compact, reference = filters.default_program(mask), filters.program(filters.default_text(), mask)
    assert len(compact) < len(reference)
    for architecture in (X86_64, X86):
        samples = [each for each in SAMPLES if architecture == X86_64 or each < 1 << 32]  # registers have 32 bits
        for number in (*range(700), 1 << 20):
            for sample in samples if number < 500 else (0,):
                expected = verdict(reference, architecture, number, sample, sample)
                assert verdict(compact, architecture, number, sample, sample) == expected, (
                    architecture,
                    number,
                    sample,
                )
    assert verdict(compact, 0x12345678, 1) == 0, "another architecture is none that the program knows: killed"


def test_what_the_default_profile_refuses() -> None:
    for name in ("mount", "unshare", "setns", "keyctl", "add_key", "bpf", "init_module", "reboot", "kexec_load",
                 "open_by_handle_at", "userfaultfd", "pivot_root", "io_uring_setup", "swapon", "iopl"):  # fmt: skip
        assert call(name) == EPERM, name
    assert call("clone3") == ENOSYS
    assert call("clone", 17 | NAMESPACE) == EPERM
    assert call("clone", 17) == ALLOWED
    assert call("socket", 40) == EPERM
    assert call("socket", 38) == EPERM
    assert call("socket", (1 << 32) + 38) == EPERM, "socket(2) looks at the lower half alone"
    assert call("socket", 2) == call("socket", 16) == ALLOWED
    assert call("personality", 0x0040000) == EPERM
    assert verdict(filters.default_program(DEFAULT), X86_64, 9999) == ENOSYS
    assert call("mount", architecture=X86) == EPERM


def test_capabilities_open_what_they_are_for() -> None:
    for name, capability in (("mount", "SYS_ADMIN"), ("unshare", "SYS_ADMIN"), ("clone3", "SYS_ADMIN"), ("bpf", "BPF"),
                             ("clock_settime", "SYS_TIME"), ("init_module", "SYS_MODULE"), ("acct", "SYS_PACCT"),
                             ("open_by_handle_at", "DAC_READ_SEARCH"), ("syslog", "SYSLOG")):  # fmt: skip
        assert call(name, mask=DEFAULT | capabilities.mask(capability)) == ALLOWED, name
    assert call("chroot") == ALLOWED
    assert call("chroot", mask=0) == EPERM


def own(mask: int = DEFAULT, **fields: object) -> bytes:
    return filters.program(json.dumps(fields), mask)


def test_a_users_profile_in_the_oci_form() -> None:
    rules = [
        {"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
        {"names": ["umask"], "action": "SCMP_ACT_KILL_PROCESS"},
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 10, "op": "SCMP_CMP_EQ"}],
        },
    ]
    program = own(defaultAction="SCMP_ACT_ALLOW", architectures=["SCMP_ARCH_X86_64"], syscalls=rules)
    number = {name: libseccomp.number(name, X86_64) for name in ("mkdir", "umask", "socket", "read")}
    assert verdict(program, X86_64, number["mkdir"]) == 0x0005000D
    assert verdict(program, X86_64, number["umask"]) == 0x80000000
    assert [verdict(program, X86_64, number["socket"], family) for family in (2, 10, 1)] == [EPERM, EPERM, ALLOWED]
    assert verdict(program, X86_64, 9999) == ALLOWED, "what is not forbidden stays allowed, also if it is new"
    strict = own(defaultAction="SCMP_ACT_ERRNO", syscalls=[{"names": ["read"], "action": "SCMP_ACT_ALLOW"}])
    assert verdict(strict, X86_64, number["read"]) == ALLOWED
    assert verdict(strict, X86_64, 9999) == ENOSYS


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "profile.defaultAction"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "profile.defaultAction"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}, "listenerPath"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_LOG"}]}, "profile.syscalls[0].names"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ["x"]}, "profile.syscalls[0]: not an object"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]}, "SCMP_ARCH_PDP11"),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    {"names": ["read"], "action": "SCMP_ACT_LOG", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}
                ],
            },
            "profile.syscalls[0].args[0].index",
        ),
    ],
)
def test_what_is_no_profile_is_said_with_its_path(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ProfileError, match=said.replace("[", r"\[")):
        own(**fields)
    with pytest.raises(ProfileError, match="not JSON"):
        filters.program("{", DEFAULT)


def test_kernel_versions_are_read_as_they_are_written() -> None:
    assert profile.kernel_version("6.1.0-25-amd64") == (6, 1)
    assert profile.kernel_version("6.18") == (6, 18)
    assert profile.kernel_version("5.15+") == (5, 15)
    assert profile.kernel_version("weird") == (0, 0)
