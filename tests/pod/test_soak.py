"""Pods with probes live through random deaths, then everything converges and nothing is left.

Short in the test run; `make soak` sets PODRUN_SOAK_SECONDS and PODRUN_SOAK_PODS and runs it long. A seed that fails is
repeated with PODRUN_SOAK_SEED.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.pod import chaos
from tests.pod.instance import Instance

SECONDS = float(os.environ.get("PODRUN_SOAK_SECONDS") or 6)
PODS = int(os.environ.get("PODRUN_SOAK_PODS") or 12)
SEED = int(os.environ.get("PODRUN_SOAK_SEED") or 1)

EVERY_DEATH = {
    "add": 3,
    "remove": 4,
    "kill_container": 4,
    "kill_shim": 3,
    "kill_pause": 3,
    "kill_fork_server": 2,
    "kill_kubelet": 2,
}
ONLY_KUBELETS = {"add": 2, "remove": 2, "kill_kubelet": 6}


@pytest.mark.parametrize("weights", [EVERY_DEATH, ONLY_KUBELETS], ids=["every-death", "only-kubelets"])
def test_after_random_deaths_everything_converges_and_nothing_is_left(
    own_node: Instance, weights: dict[str, int]
) -> None:
    churn = chaos.Churn(own_node, SEED, PODS)
    churn.refill()
    done = chaos.act(churn, weights, time.monotonic() + SECONDS)
    print(f"seed {SEED}: {dict(done)}")
    churn.check()
    churn.end()
