"""Linters and types are tests: the same commands as `make check`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("words", ["ruff check", "ruff format --check", "mypy"])
def test_the_linter_has_nothing_to_say(words: str) -> None:
    result = subprocess.run([sys.executable, "-m", *words.split()], cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("script", ["setup/apt", "setup/install", "setup/venv", ".ci/run", "examples/demo.sh"])
def test_a_bash_script_is_readable_by_bash(script: str) -> None:
    result = subprocess.run(["bash", "-n", script], cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not shutil.which("vagrant"), reason="vagrant is not to be had on this distribution")
@pytest.mark.parametrize("settings", [{}, {"PODRUN_BOX": "local", "PODRUN_VM_DRIVER": "qemu"}], ids=["plain", "set"])
def test_the_vagrantfile_is_valid(tmp_path: Path, settings: dict[str, str]) -> None:
    shutil.copy(PROJECT / "Vagrantfile", tmp_path)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "VAGRANT_HOME": str(tmp_path / "home"), **settings}
    command = ["vagrant", "validate", "--ignore-provider"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
