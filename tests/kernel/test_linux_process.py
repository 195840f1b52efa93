"""What a process does to itself: capabilities, limits, descriptors, seccomp, keyring, and what a pidfd tells of it."""

from __future__ import annotations

import errno
import os
import resource
import signal
import struct
from pathlib import Path

import pytest
from forked import in_child

from podrun.linux import capabilities, close_range, keyctl, namespaces, pidfd, prctl, rlimits, seccomp
from podrun.linux.clone3 import CloneFlag


def status() -> dict[str, str]:
    pairs = (line.partition(":\t") for line in Path("/proc/self/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in pairs}


def test_capability_sets_are_exactly_as_asked() -> None:
    def act() -> dict[str, str]:
        kept = capabilities.mask("CHOWN", "KILL", "SETPCAP", "CHECKPOINT_RESTORE") & capabilities.permitted()
        capabilities.limit_bounding_set(kept)
        capabilities.capset(kept, capabilities.mask("KILL"))
        assert capabilities.permitted() == kept
        return {**status(), "kept": f"{kept:016x}"}

    seen = in_child(act)
    assert (seen["CapPrm"], seen["CapBnd"]) == (seen["kept"], seen["kept"])
    assert (seen["CapEff"], seen["CapInh"], seen["CapAmb"]) == (f"{1 << 5:016x}", "0" * 16, "0" * 16)


def test_capabilities_that_one_does_not_have_are_refused() -> None:
    def act() -> tuple[int | None, str]:
        capabilities.capset(0, 0)
        try:
            capabilities.capset(1, 1)
        except OSError as error:
            return error.errno, str(error)
        return 0, ""

    number, text = in_child(act)
    assert number == errno.EPERM
    assert text.startswith("capset('0x0000000000000001', '0x0000000000000001', '0x0000000000000000'): ")


def test_capability_numbers_are_the_kernels() -> None:
    assert capabilities.NUMBERS["CHOWN"] == 0
    assert capabilities.NUMBERS["SYS_ADMIN"] == 21
    assert capabilities.NUMBERS["AUDIT_READ"] == 37
    assert capabilities.NUMBERS["CHECKPOINT_RESTORE"] == 40


def test_all_descriptors_but_the_named_ones_are_closed() -> None:
    def act() -> list[int]:
        spare = [os.open("/", os.O_PATH) for _ in range(20)]
        before = {int(name) for name in os.listdir("/proc/self/fd")}
        kept = {max(before) - 5, spare[2], 4} | {fd for fd in before if _is_pipe(fd)}
        close_range.close_all_but(kept)
        return sorted(fd for fd in before if fd not in kept and _is_open(fd))

    assert in_child(act) == []


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _is_pipe(fd: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:")
    except OSError:
        return False


def test_a_seccomp_program_takes_effect() -> None:
    load, equal, leave = 0x20, 0x15, 0x06
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (load, 0, 0, 0),  # the number of the call
            (equal, 0, 1, 436),  # close_range
            (leave, 0, 0, 0x00050000 | errno.EDOM),
            (leave, 0, 0, 0x7FFF0000),
        )
    )

    def act() -> int | None:
        prctl.set_no_new_privs()
        seccomp.load(program)
        try:
            close_range.close_all_but(range(1000))
        except OSError as error:
            return error.errno
        return 0

    assert in_child(act) == errno.EDOM


@pytest.mark.parametrize("program", [b"", b"x" * 7, b"x" * 8 * 4097])
def test_what_is_no_program_is_refused(program: bytes) -> None:
    with pytest.raises(ValueError, match="BPF"):
        seccomp.load(program)


def test_a_session_keyring_is_a_new_one() -> None:
    def act() -> bool:
        keys = Path("/proc/keys")
        before = keys.read_text() if keys.exists() else ""
        keyctl.join_session_keyring()
        return not keys.exists() or keys.read_text() != before

    assert in_child(act)


def test_limits_are_set_or_cut_to_what_is_allowed() -> None:
    def act() -> tuple[bool, tuple[int, int], bool, tuple[int, int]]:
        lowered = rlimits.set_as_far_as_allowed("NOFILE", 64, 128)
        first = resource.getrlimit(resource.RLIMIT_NOFILE)
        keep = capabilities.permitted() & ~capabilities.mask("SYS_RESOURCE")
        capabilities.capset(keep, keep)
        raised = rlimits.set_as_far_as_allowed("NOFILE", 256, 512)
        return lowered, first, raised, resource.getrlimit(resource.RLIMIT_NOFILE)

    assert in_child(act) == (True, (64, 128), False, (128, 128))
    with pytest.raises(ValueError, match="NONSENSE"):
        rlimits.number("NONSENSE")


def test_a_pidfd_tells_how_a_child_ended() -> None:
    def act() -> list[object]:
        told: list[object] = []
        for end in (lambda: os._exit(7), lambda: os.kill(os.getpid(), signal.SIGKILL)):
            held, hold = os.pipe()
            if (pid := os.fork()) == 0:
                os.close(hold)
                os.read(held, 1)
                end()
            child = os.pidfd_open(pid)
            told += [pidfd.has_ended(child), pidfd.reap(child)]
            os.close(hold)
            told += [pidfd.reap(child, wait=True)]
        return told

    assert in_child(act) == [False, None, pidfd.Ended(7, 0), False, None, pidfd.Ended(137, 9)]


def test_a_host_name_belongs_to_its_namespace() -> None:
    def act() -> str:
        namespaces.unshare(CloneFlag.NEWUTS)
        namespaces.sethostname("elsewhere")
        return os.uname().nodename

    before = os.uname().nodename
    assert in_child(act) == "elsewhere"
    assert os.uname().nodename == before


def test_joining_a_process_that_has_ended_fails_with_esrch() -> None:
    def act() -> tuple[int | None, str]:
        if (pid := os.fork()) == 0:
            os._exit(0)
        child = os.pidfd_open(pid)
        os.waitid(os.P_PIDFD, child, os.WEXITED | os.WNOWAIT)
        try:
            namespaces.setns(child, CloneFlag.NEWNET)
        except OSError as error:
            return error.errno, str(error)
        return 0, ""

    number, text = in_child(act)
    assert number == errno.ESRCH
    assert "NEWNET" in text


def test_a_namespace_is_known_by_its_number() -> None:
    assert os.readlink("/proc/self/ns/net") == f"net:[{namespaces.inode(os.getpid(), 'net')}]"
