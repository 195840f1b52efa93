"""Fixtures of the command line's tests: an instance of their own, a server with prepared answers, `podrun` itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.paths import Paths
from tests.fakes.cli_runs import Cli
from tests.fakes.prepared_server import PreparedServer, prepared_server


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Settings that no other test has; its run directory is there, and nobody listens."""
    paths = Paths(root=tmp_path / "root", run_dir=tmp_path / "r", log_dir=tmp_path / "log")
    for name, value in paths.environment().items():
        monkeypatch.setenv(name, value)
    paths.run_dir.mkdir()
    return paths


@pytest.fixture
def server(instance: Paths) -> Iterator[PreparedServer]:
    with prepared_server(instance.run_dir) as one:
        yield one


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capfd)
