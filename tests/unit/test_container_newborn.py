"""What a parent makes of a child's report, and the words for what went wrong."""

from __future__ import annotations

import json
import os

import pytest

from podrun.container import defaults
from podrun.container.newborn import Resolved, StartError, StepError, describe, read_outcome
from podrun.container.program import find_program
from podrun.linux.syscall import SyscallError

GOOD = {"uid": 1, "gid": 2, "groups": [2, 3], "notes": ["n"]}
BAD = {"step": "execute", "errno": 2, "message": "gone"}


def report(*lines: dict[str, object]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_silence_after_the_identity_means_success() -> None:
    assert read_outcome(report(GOOD)) == Resolved(1, 2, (2, 3), ("n",))


def test_a_failure_wins_over_what_was_announced() -> None:
    assert read_outcome(report(GOOD, BAD)) == StartError("execute", 2, "gone")


@pytest.mark.parametrize(
    "nothing", [b"", b"\n", b"{", b"null", b"[]\n", b'{"uid": 1}\n', b"\xff\xfe\n", b'{"step": "x"}\n']
)
def test_a_child_that_said_nothing_sensible_was_killed(nothing: bytes) -> None:
    outcome = read_outcome(nothing)
    assert isinstance(outcome, StartError)
    assert "killed" in outcome.message


def test_errors_are_described_without_the_trappings_of_python() -> None:
    with pytest.raises(OSError) as caught:
        os.open("/no/such", os.O_RDONLY)
    assert describe("step", caught.value) == StartError("step", 2, "/no/such: No such file or directory")
    assert describe("s", SyscallError(1, "mount('/a')")).message == "mount('/a'): Operation not permitted"
    assert describe("s", StepError(5, "in words")) == StartError("s", 5, "in words")
    assert describe("s", ValueError("bad")) == StartError("s", 0, "ValueError: bad")
    assert len(describe("s", ValueError("x" * 100_000)).message) == 2000


def test_the_default_capabilities_are_those_of_containerd() -> None:
    assert f"{defaults.DEFAULT_CAPABILITIES:016x}" == "00000000a80425fb"


def test_programs_are_found_along_the_path(tmp_path: object) -> None:
    directory = str(tmp_path)
    for name, mode in (("first/tool", 0o644), ("second/tool", 0o755)):
        os.makedirs(os.path.dirname(f"{directory}/{name}"))
        with open(f"{directory}/{name}", "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(f"{directory}/{name}", mode)
    os.makedirs(f"{directory}/first/second")
    path = f"{directory}/first:{directory}/absent:{directory}/second"
    assert find_program("tool", path) == f"{directory}/second/tool"
    with pytest.raises(StepError, match='exec: "tool": permission denied'):
        find_program("tool", f"{directory}/first")
    with pytest.raises(StepError, match=r'exec: "second": executable file not found in \$PATH'):
        find_program("second", path)
