"""metrics.k8s.io and the texts for Prometheus."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from podrun.api import exposition
from podrun.api.instruments import Histograms
from podrun.kubelet import measures as measures_module
from tests.fakes.api_server import PODS, Api, play, pod

METRICS = "/apis/metrics.k8s.io/v1beta1"


def test_pods_that_run_have_metrics(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        for name in ("web", "idle"):
            await api.ask("POST", PODS, pod(name, app=name))
        api.agent.running.append((await api.ask("GET", f"{PODS}/web")).json["metadata"]["uid"])
        (found,) = (await api.ask("GET", f"{METRICS}/namespaces/default/pods")).json["items"]
        assert (found["metadata"]["name"], found["window"]) == ("web", "1.000s")
        assert found["containers"] == [{"name": "main", "usage": {"cpu": "250000000n", "memory": "3072Ki"}}]
        assert (await api.ask("GET", f"{METRICS}/pods?labelSelector=app=idle")).json["items"] == []
        assert (await api.ask("GET", f"{METRICS}/namespaces/default/pods/idle")).status == 404
        resources = (await api.ask("GET", METRICS)).json["resources"]
        assert [one["name"] for one in resources] == ["nodes", "pods"]
        assert (await api.ask("GET", "/apis")).json["groups"][0]["name"] == "metrics.k8s.io"

    play(tmp_path, scenario)


def test_prometheus_reads_the_kubelets_names(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        uid = (await api.ask("GET", f"{PODS}/web")).json["metadata"]["uid"]
        api.agent.running.append(uid)
        resource = await api.ask("GET", "/metrics/resource")
        assert resource.headers["Content-Type"] == exposition.CONTENT_TYPE
        labels = '{container="main",namespace="default",pod="web"}'
        assert f"container_cpu_usage_seconds_total{labels} 0.25\n" in resource.body.decode()
        assert "node_memory_working_set_bytes 1073741824\n" in resource.body.decode()
        assert "kubelet_running_pods 0\n" in (await api.ask("GET", "/metrics")).body.decode()
        probes = (await api.ask("GET", "/metrics/probes")).body.decode().splitlines()
        assert probes[2] == (
            'prober_probe_total{probe_type="Liveness",result="successful",container="main",'
            f'pod="web",namespace="default",pod_uid="{uid}"}} 3'
        )
        labels = 'probe_type="Liveness",container="main",pod="web",namespace="default"'
        assert f'prober_probe_duration_seconds_bucket{{{labels},le="0.5"}} 1' in probes
        assert probes[-1] == f"prober_probe_duration_seconds_count{{{labels}}} 1"

    play(tmp_path, scenario)


def test_labels_are_escaped() -> None:
    family = exposition.Family("a", "gauge", "two\nlines", (((("x", 'q"\\\n'),), 1.5),))
    assert exposition.text([family]) == '# HELP a two\\nlines\n# TYPE a gauge\na{x="q\\"\\\\\\n"} 1.5\n'


def test_what_the_kubelet_measured_is_shown_as_a_kubelet_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures_module, "time", SimpleNamespace(monotonic=lambda: 7.0))  # nothing takes any time

    async def scenario(api: Api) -> None:
        measures = api.agent.measures
        with measures.operation("run_podsandbox"):
            pass
        with pytest.raises(OSError, match="no"), measures.operation("run_podsandbox"):
            raise OSError("no")
        with measures.operation("start_container") as failed:
            failed()
        measures.started_containers.add("init_container")
        measures.pod_start.of().observe(0.5)
        shown = (await api.ask("GET", "/metrics")).body.decode().splitlines()
        for line in (
            'kubelet_runtime_operations_total{operation_type="run_podsandbox"} 2',
            'kubelet_runtime_operations_errors_total{operation_type="start_container"} 1',
            'kubelet_runtime_operations_duration_seconds_bucket{operation_type="run_podsandbox",le="0.005"} 2',
            'kubelet_run_podsandbox_errors_total{runtime_handler=""} 1',
            'kubelet_run_podsandbox_duration_seconds_count{runtime_handler=""} 2',
            'kubelet_started_containers_total{container_type="init_container"} 1',
            "kubelet_started_pods_total 0",
            'kubelet_pod_start_duration_seconds_bucket{le="0.5"} 1',
            'kubelet_pod_start_duration_seconds_bucket{le="3600"} 1',
            'kubelet_pod_start_duration_seconds_bucket{le="+Inf"} 1',
            "kubelet_pod_start_duration_seconds_sum 0.5",
            'kubelet_containers_per_pod_count_bucket{le="16"} 0',
            "# TYPE kubelet_evictions counter",
            'kubelet_desired_pods{static="true"} 0',
        ):
            assert line in shown, line

    play(tmp_path, scenario)


def test_a_histogram_counts_what_is_at_most_each_bound() -> None:
    histograms = Histograms("h", "help", ("kind",), (1.0, 2.5))
    for value in (0.1, 1.0, 2.0, 2.5, 9.0):
        histograms.of("a").observe(value)
    assert exposition.text([histograms.family()]).splitlines()[2:] == [
        'h_bucket{kind="a",le="1"} 2',
        'h_bucket{kind="a",le="2.5"} 4',
        'h_bucket{kind="a",le="+Inf"} 5',
        'h_sum{kind="a"} 14.6',
        'h_count{kind="a"} 5',
    ]
