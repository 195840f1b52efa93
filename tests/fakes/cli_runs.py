"""Runs the command line in this process against prepared answers: what the tests of podrun/cli share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from podrun.cli import main


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cli:
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Run:
        self.capture.readouterr()
        code = main.main(list(arguments))
        captured = self.capture.readouterr()
        return Run(code, captured.out, captured.err)


def pod(name: str = "web", uid: str = "u1", namespace: str = "default", **status: object) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": "5"},
        "spec": {"containers": [{"name": "app", "image": "busybox:1"}], "restartPolicy": "Always"},
        "status": {"phase": "Pending", **status},
    }


def pod_list(*pods: dict[str, object]) -> dict[str, object]:
    items = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in pods]
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items}


def pod_table(*rows: Sequence[object]) -> dict[str, object]:
    """Rows of NAME READY STATUS RESTARTS AGE IP; IP is shown with -o wide only."""
    names = ("Name", "Ready", "Status", "Restarts", "Age", "IP")
    columns = [{"name": name, "type": "string", "priority": 1 if name == "IP" else 0} for name in names]
    objects = [{"metadata": {"name": row[0], "namespace": "default", "labels": {"app": str(row[0])}}} for row in rows]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7"},
        "columnDefinitions": columns,
        "rows": [{"cells": list(row), "object": item} for row, item in zip(rows, objects, strict=True)],
    }
