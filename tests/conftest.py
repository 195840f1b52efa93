"""For the whole suite: the mark of this run, its temporary directory, and the check that nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import hypothesis
import pytest

from tests import leaks, names, wait

# How long examples take says something about the machine only; they are the same in every run unless others are wanted.
hypothesis.settings.register_profile(
    "steady",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize="PODRUN_TEST_RANDOM" not in os.environ,
    print_blob=True,
)
hypothesis.settings.load_profile("steady")

os.environ.setdefault(names.VARIABLE, names.new_suite())

# Who is started in the background ignores Ctrl-C, and so would all the commands that are tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

BEFORE = pytest.StashKey[set[str]]()
DIRECTORY = pytest.StashKey[Path]()


def is_worker(config: pytest.Config) -> bool:
    """Under xdist the tests run in workers; what concerns the whole suite is done once, by their controller."""
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Temporary directories carry the mark too, so that any mount or process in them is known as ours."""
    if not is_worker(config) and not config.option.basetemp:
        directory = Path("/tmp") / f"podrun-{names.suite()}"
        config.option.basetemp = str(directory)
        config.stash[DIRECTORY] = directory


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All kernel tests run in the VM as well, before -m is looked at."""
    for item in items:
        if "tests/kernel/" in item.path.as_posix():
            item.add_marker(pytest.mark.vm)


def pytest_sessionstart(session: pytest.Session) -> None:
    if not is_worker(session.config) and os.environ.get("PODRUN_TEST_ALONE"):
        session.config.stash[BEFORE] = leaks.everything()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Runs after the workers have ended and before the report is written."""
    config = session.config
    if is_worker(config) or config.option.collectonly:
        return
    directory = config.stash.get(DIRECTORY, None)
    found = what_is_left(config.stash.get(BEFORE, None), directory)
    if found:
        report_leaks(session, found)
    if directory is None or os.environ.get("PODRUN_TEST_KEEP"):
        return
    if not found:
        shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):  # what is left in it is there to be looked at
        directory.rmdir()


def what_is_left(before: set[str] | None, directory: Path | None) -> list[str]:
    """Polls, as the last processes and mounts take a moment to go."""
    deadline = time.monotonic() + wait.patient(2)
    while True:
        found = leaks.left_over(names.suite(), besides=directory)
        if before is not None:
            found += sorted(leaks.everything() - before)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def report_leaks(session: pytest.Session, found: list[str]) -> None:
    """Adds a failure of its own to the report, as if of one more test."""
    words = "left behind by this run:\n" + "\n".join(f"  {thing}" for thing in found)
    place = ("tests/conftest.py", None, "nothing is left behind")
    report = pytest.TestReport(
        "tests/conftest.py::nothing_is_left_behind",
        place,
        keywords={},
        outcome="failed",
        longrepr=words,
        when="teardown",
    )
    session.config.hook.pytest_runtest_logreport(report=report)
    session.exitstatus = pytest.ExitCode.TESTS_FAILED
