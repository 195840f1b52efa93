"""`podrun describe`: a pod with everything in it, word for word; and sums for the node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podrun.cli import describe_containers, describe_node, describe_pieces
from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import PreparedServer

PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"
BEGAN = "2026-01-02T03:04:05Z"

DESCRIBED = """\
Name:             web
Namespace:        default
Priority:         0
Service Account:  default
Node:             vm/192.0.2.2
Start Time:       Fri, 02 Jan 2026 03:04:05 +0000
Labels:           app=web
                  tier=1
Annotations:      long:
                    one
                    two
                  note: x
Status:           Running
IP:               10.0.0.2
IPs:
  IP:  10.0.0.2
Init Containers:
  prepare:
    Container ID:   podrun://1
    Image:          busybox:1
    Image ID:       sha256:1
    Port:           <none>
    Host Port:      <none>
    State:          Terminated
      Reason:       Completed
      Exit Code:    0
      Started:      Fri, 02 Jan 2026 03:04:05 +0000
      Finished:     Fri, 02 Jan 2026 03:04:05 +0000
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:         <none>
Containers:
  app:
    Image:       busybox:1
    Ports:       80/TCP, 81/UDP
    Host Ports:  8080/TCP, 0/UDP
    Command:
      sh
      -c
    Limits:
      cpu:  1
    Environment:
      A:     b
      NAME:  web (v1:metadata.name)
      KEY:   <set to the key 'k' of config map 'c'>  Optional: false
    Mounts:
      /work from work (ro,path="sub")
Conditions:
  Type    Status
  Ready   True 
Volumes:
  work:
    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:      
    SizeLimit:   <unset>
QoS Class:       Burstable
Node-Selectors:  <none>
Tolerations:     op=Exists
                 a:NoExecute op=Exists for 300s
Events:
  Type     Reason   Age               From     Message
  ----     ------   ----              ----     -------
  Normal   Pulled   10s               kubelet  there
  Warning  BackOff  5s (x3 over 20s)  kubelet  again
"""


def full_pod() -> dict[str, Any]:
    one: dict[str, Any] = pod("web", phase="Running", hostIP="192.0.2.2", podIP="10.0.0.2", startTime=BEGAN)
    one["metadata"] |= {"labels": {"tier": "1", "app": "web"}, "annotations": {"note": "x", "long": "one\ntwo\n"}}
    one["metadata"]["annotations"][describe_pieces.LAST_APPLIED] = "{}"
    one["spec"] |= {
        "priority": 0,
        "serviceAccountName": "default",
        "nodeName": "vm",
        "initContainers": [{"name": "prepare", "image": "busybox:1"}],
        "tolerations": [
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            {"operator": "Exists"},
        ],
        "volumes": [{"name": "work", "emptyDir": {}}],
    }
    config = {"configMapKeyRef": {"name": "c", "key": "k"}}
    one["spec"]["containers"] = [
        {
            "name": "app",
            "image": "busybox:1",
            "command": ["sh", "-c"],
            "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "protocol": "UDP"}],
            "resources": {"limits": {"cpu": "1"}},
            "env": [
                {"name": "A", "value": "b"},
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "KEY", "valueFrom": config},
            ],
            "volumeMounts": [{"name": "work", "mountPath": "/work", "readOnly": True, "subPath": "sub"}],
        }
    ]
    ended = {"reason": "Completed", "exitCode": 0, "startedAt": BEGAN, "finishedAt": BEGAN}
    prepare = {"name": "prepare", "containerID": "podrun://1", "imageID": "sha256:1", "ready": True}
    one["status"] |= {
        "podIPs": [{"ip": "10.0.0.2"}],
        "qosClass": "Burstable",
        "conditions": [{"type": "Ready", "status": "True"}],
        "initContainerStatuses": [{**prepare, "restartCount": 0, "state": {"terminated": ended}}],
    }
    return one


def event_table(*rows: tuple[str, dict[str, object]]) -> dict[str, object]:
    names = ("Last Seen", "Type", "Reason", "Source", "Message", "First Seen", "Count")
    columns = [{"name": name} for name in names]
    made = [{"cells": [row.get(name, "") for name in names], "object": {"lastTimestamp": last}} for last, row in rows]
    return {"kind": "Table", "columnDefinitions": columns, "rows": made}


def happening(**cells: object) -> dict[str, object]:
    return {"Type": "Normal", "Source": "kubelet, vm", "Count": 1, **cells}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe_pieces.time, "localtime", describe_pieces.time.gmtime)


def test_a_pod_is_described_word_for_word(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}/web", full_pod())
    again = {"Type": "Warning", "Reason": "BackOff", "Message": "again", "Count": 3}
    late = happening(**{"Last Seen": "5s", "First Seen": "20s", **again})
    early = happening(**{"Last Seen": "10s", "First Seen": "10s", "Reason": "Pulled", "Message": " there\n"})
    server.answer(f"GET {EVENTS}", event_table(("2026-01-02T03:04:09Z", late), ("2026-01-02T03:04:06Z", early)))
    run = cli("describe", "pod", "web")
    assert run.out == DESCRIBED
    assert (run.err, run.code) == ("", 0)
    selector = "involvedObject.kind=Pod,involvedObject.name=web,involvedObject.uid=u1"
    assert server.asked[1].query == {"fieldSelector": [selector], "includeObject": ["Object"]}


def test_a_name_may_be_the_start_of_one(server: PreparedServer, cli: Cli) -> None:
    server.refuse(f"GET {PODS}/we", 404, "NotFound", 'pods "we" not found')
    server.answer(f"GET {PODS}", pod_list(pod("web"), pod("other")))
    server.answer(f"GET {EVENTS}", event_table())
    run = cli("describe", "pod", "we")
    assert run.out.startswith("Name:         web\n")
    assert run.out.endswith("Events:           <none>\n")


def test_what_a_manifest_names_is_described(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    manifest = tmp_path / "pod.yaml"
    manifest.write_text("kind: Pod")
    server.answer("POST /podrun/v1/decode", {"results": [{"kind": "Pod", "namespace": "lab", "name": "gone"}]})
    server.refuse("GET /api/v1/namespaces/lab/pods/gone", 404, "NotFound", 'pods "gone" not found')
    server.answer("GET /api/v1/namespaces/lab/pods", {"items": []})
    run = cli("describe", "-f", str(manifest))
    assert (run.err, run.code) == ('Error from server (NotFound): pods "gone" not found\n', 1)
    both = cli("describe", "pod", "-f", str(manifest))
    assert both.err.startswith("error: when paths, URLs, or stdin is provided as input, you may not specify resource")


def test_a_name_that_nothing_has_is_not_found(server: PreparedServer, cli: Cli) -> None:
    server.refuse(f"GET {PODS}/zz", 404, "NotFound", 'pods "zz" not found')
    server.answer(f"GET {PODS}", pod_list(pod("web")))
    run = cli("describe", "pod/zz")
    assert (run.out, run.err, run.code) == ("", 'Error from server (NotFound): pods "zz" not found\n', 1)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ({"httpGet": {"port": 8080, "path": "/x"}}, "http-get http://:8080/x"),
        ({"httpGet": {"port": "web", "scheme": "HTTPS", "host": "h"}}, "http-get https://h:web"),
        ({"exec": {"command": ["a", "b"]}}, "exec [a b]"),
        ({"tcpSocket": {"port": 80}}, "tcp-socket :80"),
        ({"grpc": {"port": 5000, "service": "s"}}, "grpc <pod>:5000 s"),
    ],
)
def test_a_probe_is_one_line(action: dict[str, object], text: str) -> None:
    assert (
        describe_containers.probe_text({**action, "initialDelaySeconds": 3})
        == f"{text} delay=3s timeout=1s period=10s #success=1 #failure=3"
    )


@pytest.mark.parametrize(
    ("quantity", "number"), [("100m", 0.1), ("2", 2), ("1.5", 1.5), ("16Mi", 16 << 20), ("1k", 1000), ("", 0)]
)
def test_quantities_are_numbers(quantity: str, number: float) -> None:
    assert describe_node.amount(quantity) == pytest.approx(number)


def test_a_pod_asks_for_its_largest_moment() -> None:
    def asking(cpu: str, **more: str) -> dict[str, object]:
        return {"name": "x", "resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "initContainers": [asking("1", restartPolicy="Always"), asking("3")],
        "containers": [asking("500m"), asking("500m")],
    }
    assert describe_node.asked_by(spec, "requests", "cpu") == pytest.approx(4)


def test_sums_are_written_as_quantities() -> None:
    assert [describe_node.cpu_text(value) for value in (0.15, 2.0, 0.0)] == ["150m", "2", "0"]
    assert [describe_node.bytes_text(value) for value in (24 << 20, 1 << 30, 1000, 0)] == ["24Mi", "1Gi", "1000", "0"]
