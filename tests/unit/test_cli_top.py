"""`podrun top`: kubectl's columns and rounding."""

from __future__ import annotations

import pytest

from tests.fakes.cli_runs import Cli
from tests.fakes.prepared_server import PreparedServer

METRICS = "/apis/metrics.k8s.io/v1beta1"


def metrics(name: str, **containers: tuple[str, str]) -> dict[str, object]:
    used = [{"name": key, "usage": {"cpu": cpu, "memory": memory}} for key, (cpu, memory) in containers.items()]
    return {"metadata": {"name": name, "namespace": "default"}, "containers": used}


@pytest.fixture
def used(server: PreparedServer) -> PreparedServer:
    small, large = metrics("small", a=("1n", "900Ki")), metrics("large", a=("250m", "64Mi"), b=("1500001n", "1Gi"))
    server.answer(f"GET {METRICS}/namespaces/default/pods", {"items": [small, large]})
    here = {"metadata": {"name": "here"}, "usage": {"cpu": "1", "memory": "1Gi"}}
    server.answer(f"GET {METRICS}/nodes", {"items": [here]})
    server.answer("GET /api/v1/nodes/here", {"status": {"allocatable": {"cpu": "4", "memory": "4Gi"}}})
    return server


def test_pods_are_summed_or_shown_by_container(used: PreparedServer, cli: Cli) -> None:
    assert cli("top", "pod").out == (
        "NAME    CPU(cores)   MEMORY(bytes)\nlarge   252m         1088Mi\nsmall   1m           0Mi\n"
    )
    assert cli("top", "pods", "--containers", "--no-headers", "--sort-by=memory").out == (
        "large   a     250m   64Mi\nlarge   b     2m     1024Mi\nsmall   a     1m     0Mi\n"
    )


def test_a_node_is_shown_beside_what_it_has(used: PreparedServer, cli: Cli) -> None:
    assert cli("top", "node").out == (
        "NAME   CPU(cores)   CPU(%)   MEMORY(bytes)   MEMORY(%)\nhere   1000m        25%      1024Mi          25%\n"
    )


def test_what_cannot_be_shown_is_said(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {METRICS}/namespaces/default/pods", {"items": []})
    server.refuse("GET /api/v1/namespaces/default/pods/nope", 404, "NotFound", 'pods "nope" not found')
    assert cli("top", "pod").err == "No resources found in default namespace.\n"
    assert cli("top", "pod", "nope").err == 'Error from server (NotFound): pods "nope" not found\n'
    assert cli("top", "pod", "--sort-by=age").err == "error: --sort-by accepts only cpu or memory\n"
