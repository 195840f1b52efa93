"""metrics.k8s.io and the texts for Prometheus."""

from __future__ import annotations

from pathlib import Path

from podrun.api import exposition
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
        assert (await api.ask("GET", "/metrics/probes")).body.decode().splitlines()[-1] == (
            'prober_probe_total{probe_type="Liveness",result="successful",container="main",'
            f'pod="web",namespace="default",pod_uid="{uid}"}} 3'
        )

    play(tmp_path, scenario)


def test_labels_are_escaped() -> None:
    family = exposition.Family("a", "gauge", "two\nlines", (((("x", 'q"\\\n'),), 1.5),))
    assert exposition.text([family]) == '# HELP a two\\nlines\n# TYPE a gauge\na{x="q\\"\\\\\\n"} 1.5\n'
