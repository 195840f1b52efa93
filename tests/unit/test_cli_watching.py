"""Watches of the commands, where nobody answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.cli import watching
from podrun.cli.client import Client, KubeletDownError


def test_a_kubelet_that_went_between_list_and_watch_is_waited_for_and_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr(watching, "PATIENCE", 0.0)
    client = Client(str(tmp_path / "nobody"), start)
    assert list(watching.changes(client.starting_none(), "/pods", {}, "1")) == []
    listed = {"metadata": {"resourceVersion": "1"}, "items": []}
    with pytest.raises(KubeletDownError):
        next(watching.follow(client, "/pods", {}, listed))
