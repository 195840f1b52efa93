"""The program that pause becomes: an executable where its instructions are known, nothing elsewhere."""

from __future__ import annotations

import os
import subprocess

import pytest

from pause import program


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_program_is_a_small_elf_file_that_ends_with_its_name(architecture: str) -> None:
    image = program.image(architecture)
    assert image.startswith(b"\x7fELF\x02\x01\x01")
    assert image.endswith(b"pause\0")
    assert len(image) < 256


def test_there_is_none_for_an_unknown_processor() -> None:
    assert program.image("pdp11") == b""


@pytest.mark.skipif(not program.image(os.uname().machine), reason="no program for this processor")
def test_nobody_can_write_the_prepared_file_and_it_runs() -> None:
    descriptor = program.prepare()
    assert descriptor >= 0
    assert os.fstat(descriptor).st_mode & 0o777 == 0o111
    with pytest.raises(PermissionError):
        os.write(descriptor, b"x")
    with subprocess.Popen([f"/proc/self/fd/{descriptor}"], pass_fds=[descriptor]) as running:
        running.terminate()
        assert running.wait(20) == -15
    os.close(descriptor)
