"""The leak check of the whole suite, tried on suites that leave something behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Tests that end well and leave something: the check sees a process by its environment, directory or arguments.
A_PROCESS = "import subprocess\n\ndef test_it():\n    subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
A_FILE = "import tempfile\nfrom tests import names\n\ndef test_it():\n    open('/tmp/' + names.unique('left-'), 'x')\n"
NOTHING = "def test_it(tmp_path):\n    (tmp_path / 'file').write_text('words')\n"


def run_suite(directory: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "conftest.py").write_text("from tests.conftest import *\n")
    (directory / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(directory)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    said_twice, coloured = ("CI", "BUILD_NUMBER"), ("FORCE_COLOR", "PY_COLORS")
    for name in ("PODRUN_TEST_SUITE", "PODRUN_TEST_ALONE", "PYTEST_ADDOPTS", *said_twice, *coloured):
        environment.pop(name, None)
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("options", [[], ["-n1"]], ids=["alone", "xdist"])
def test_a_suite_that_leaves_nothing_passes(tmp_path: Path, options: list[str]) -> None:
    result = run_suite(tmp_path, NOTHING, *options)
    assert result.returncode == 0, result.stdout
    assert "left behind" not in result.stdout


@pytest.mark.parametrize("options", [[], ["-n1"]], ids=["alone", "xdist"])
def test_a_process_left_behind_fails_the_suite_and_is_named(tmp_path: Path, options: list[str]) -> None:
    result = run_suite(tmp_path, A_PROCESS, *options)
    (line,) = (line for line in result.stdout.splitlines() if line.strip().startswith("process "))
    os.kill(int(line.split()[1].rstrip(":")), 9)
    assert result.returncode == 1
    assert "sleep 1000" in line
    assert "1 passed, 1 error" in result.stdout.splitlines()[-1]


def test_a_file_left_behind_fails_the_suite_and_is_named(tmp_path: Path) -> None:
    result = run_suite(tmp_path, A_FILE)
    (line,) = (line for line in result.stdout.splitlines() if line.strip().startswith("file "))
    os.unlink(line.split()[1])
    assert result.returncode == 1
    assert line.split()[1].startswith("/tmp/left-")
