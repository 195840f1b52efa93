"""What may change in a pod that exists, through PATCH, PUT and apply, and in the node."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podrun.api import objects
from tests.fakes.api_server import PODS, Answer, Api, play, pod

Json = dict[str, Any]
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
FORBIDDEN = 'Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than'


async def patch(api: Api, change: Json, type_: str = MERGE, path: str = f"{PODS}/web") -> Answer:
    return await api.ask("PATCH", path, change, Content_Type=type_)


async def put(api: Api, change: Callable[[Json], None]) -> Answer:
    """What kubectl replace does: read, change, write the whole object."""
    found = (await api.ask("GET", f"{PODS}/web")).json
    change(found)
    return await api.ask("PUT", f"{PODS}/web", found)


async def apply(api: Api, manifest: Json) -> Json:
    answer = await api.ask(
        "PATCH", "/podrun/v1/apply", json.dumps(manifest).encode(), Content_Type="application/apply-patch+yaml"
    )
    (only,) = answer.json["results"]
    found: Json = only
    return found


def manifest(**spec: Any) -> Json:
    made = pod()
    made["spec"] |= spec
    return made


GATES = [{"name": "one"}, {"name": "two"}]
TOLERATION = {"key": "a", "operator": "Exists"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"activeDeadlineSeconds": 60}),
        ({"activeDeadlineSeconds": 60}, {"activeDeadlineSeconds": 5}),
        ({}, {"tolerations": [TOLERATION]}),
        ({"tolerations": [TOLERATION]}, {"tolerations": [TOLERATION, TOLERATION | {"key": "b"}]}),
        ({"schedulingGates": GATES}, {"schedulingGates": GATES[:1]}),
        ({"schedulingGates": GATES}, {"schedulingGates": []}),
        ({"schedulingGates": GATES}, {"schedulingGates": GATES, "nodeSelector": {"a": "b"}}),
        ({}, {"containers": [{"name": "main", "image": "busybox:2"}]}),
    ],
)
def test_what_may_change_changes_in_every_way(tmp_path: Path, before: Json, after: Json) -> None:
    async def scenario(api: Api) -> None:
        def as_wanted(answer: Json) -> bool:
            wanted = {field: value for field, value in after.items() if value and field != "containers"}
            images = [each["image"] for each in after.get("containers", pod()["spec"]["containers"])]
            spec = answer["spec"]
            kept = {field: spec[field] for field in wanted}
            return kept == wanted and [each["image"] for each in spec["containers"]] == images

        for way in ("patch", "put", "apply"):
            assert (await apply(api, manifest(**before)))["result"] == "created"
            if way == "patch":
                answer = await patch(api, {"spec": after})
                assert answer.status == 200, answer.body
            elif way == "put":
                answer = await put(api, lambda found: found["spec"].update(copy.deepcopy(after)))
                assert answer.status == 200, answer.body
            else:
                applied = await apply(api, manifest(**before | after))
                assert applied["result"] == "configured", applied["error"]
                assert (await apply(api, manifest(**before | after)))["result"] == "unchanged"
            found = (await api.ask("GET", f"{PODS}/web")).json
            assert as_wanted(found), way
            assert found["metadata"]["generation"] == 2
            await api.ask("DELETE", f"{PODS}/web?gracePeriodSeconds=0")

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {"nodeSelector": {"a": "b"}}, FORBIDDEN),
        ({}, {"restartPolicy": "Never"}, FORBIDDEN),
        (
            {"activeDeadlineSeconds": 60},
            {"activeDeadlineSeconds": 90},
            "spec.activeDeadlineSeconds: Invalid value: 90: must be less than or equal to previous value",
        ),
        ({}, {"nodeName": "there"}, FORBIDDEN),
        ({}, {"terminationGracePeriodSeconds": 5}, FORBIDDEN),
        ({}, {"containers": [{"name": "main", "image": "busybox:1", "command": ["x"]}]}, FORBIDDEN),
        (
            {},
            {"containers": [{"name": "main", "image": "busybox:1"}, {"name": "b", "image": "b"}]},
            'Pod "web" is invalid: spec.containers: Forbidden: pod updates may not add or remove containers',
        ),
        (
            {"tolerations": [TOLERATION]},
            {"tolerations": []},
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ),
        (
            {},
            {"schedulingGates": GATES[:1]},
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'one'",
        ),
        (
            {"schedulingGates": GATES, "nodeSelector": {"a": "b"}},
            {"nodeSelector": {"a": "c"}},
            "only additions are allowed (no mutations or deletions)",
        ),
        ({"schedulingGates": GATES}, {"affinity": {"podAffinity": {}}}, FORBIDDEN),
    ],
)
def test_everything_else_is_refused_in_every_way(tmp_path: Path, before: Json, after: Json, message: str) -> None:
    async def scenario(api: Api) -> None:
        await apply(api, manifest(**before))
        stored = api.store.get(objects.Pod, "default", "web")
        answers = [await patch(api, {"spec": after}), await put(api, lambda found: found["spec"].update(after))]
        for answer in answers:
            assert answer.status == 422
            assert message in answer.json["message"]
        applied = await apply(api, manifest(**before | after))
        assert message in applied["error"]["message"]
        assert api.store.get(objects.Pod, "default", "web") == stored

    play(tmp_path, scenario)


def test_a_strategic_patch_changes_one_container_by_its_name(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        two = manifest()
        two["spec"]["containers"].append({"name": "other", "image": "busybox:1"})
        await apply(api, two)
        change = {"spec": {"containers": [{"name": "other", "image": "busybox:7"}]}}
        answer = await patch(api, change, STRATEGIC)
        assert answer.status == 200, answer.body
        assert [each["image"] for each in answer.json["spec"]["containers"]] == ["busybox:1", "busybox:7"]

    play(tmp_path, scenario)


def test_labels_and_annotations_change_without_a_new_generation(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await apply(api, manifest())
        for change in ({"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"labels": {"a": None}}):
            answer = await patch(api, {"metadata": change}, STRATEGIC)
            assert answer.status == 200
            assert answer.json["metadata"]["generation"] == 1
        assert "labels" not in answer.json["metadata"]

    play(tmp_path, scenario)


def test_nobody_makes_or_unmakes_a_mirror_pod(tmp_path: Path) -> None:
    mark = "kubernetes.io/config.mirror"

    async def scenario(api: Api) -> None:
        posing = pod()
        posing["metadata"]["annotations"] = {mark: "x"}
        answer = await api.ask("POST", PODS, posing)
        assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
        await api.ask("POST", PODS, pod())
        answer = await patch(api, {"metadata": {"annotations": {mark: "x"}}})
        words = f"metadata.annotations[{mark}]: Forbidden: may not add mirror pod annotation"
        assert answer.json["message"] == f'Pod "web" is invalid: {words}'

    play(tmp_path, scenario)


# ---- the node --------------------------------------------------------------------------------------------------------

NODE = "/api/v1/nodes/here"


async def with_node(api: Api) -> None:
    node = objects.Node(
        metadata=objects.ObjectMeta(name="here", labels={"kubernetes.io/os": "linux"}),
        spec=objects.NodeSpec(pod_cidr="10.0.0.0/24", pod_cidrs=("10.0.0.0/24",)),
        status=objects.NodeStatus(allocatable={"cpu": "2", "memory": "1Gi"}),
    )
    await api.store.create(node)


def test_the_node_takes_labels_taints_and_a_cordon(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await with_node(api)
        taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
        for change in ({"metadata": {"labels": {"a": "b"}}}, {"spec": {"taints": [taint], "unschedulable": True}}):
            for type_ in (MERGE, STRATEGIC):
                assert (await patch(api, change, type_, NODE)).status == 200
        found = (await api.ask("GET", NODE)).json
        assert found["metadata"]["labels"] == {"a": "b", "kubernetes.io/os": "linux"}
        assert found["spec"]["taints"] == [taint]
        assert found["spec"]["unschedulable"] is True
        assert found["spec"]["podCIDR"] == "10.0.0.0/24"
        assert found["status"]["allocatable"]["cpu"] == "2"
        found["metadata"]["labels"] = {}
        assert (await api.ask("PUT", NODE, found)).status == 200
        assert "labels" not in (await api.ask("GET", NODE)).json["metadata"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": {"labels": {"a b": "c"}}}, 'metadata.labels: Invalid value: "a b"'),
        ({"spec": {"podCIDR": "10.1.0.0/24"}}, "spec: Forbidden: node updates may only change"),
        ({"spec": {"taints": [{"key": "a"}]}}, "metadata.taints[0].effect: Required value"),
        ({"spec": {"taints": [{"key": "a", "effect": "X"}]}}, 'metadata.taints[0].effect: Unsupported value: "X"'),
        ({"spec": {"taints": [{"key": "a", "effect": "NoExecute"}] * 2}}, "metadata.taints[1]: Duplicate value"),
    ],
)
def test_what_a_node_can_not_be_is_refused(tmp_path: Path, change: Json, message: str) -> None:
    async def scenario(api: Api) -> None:
        await with_node(api)
        answer = await patch(api, change, MERGE, NODE)
        assert answer.status == 422
        assert f'Node "here" is invalid: {message}' in answer.json["message"]

    play(tmp_path, scenario)


def test_a_nodes_status_takes_extended_resources_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await with_node(api)
        given = {"example.com/gpu": "4", "cpu": "64", "example.com/half": "2500m"}
        answer = await patch(api, {"status": {"capacity": given}}, MERGE, f"{NODE}/status")
        assert answer.status == 422
        assert 'status.capacity.example.com/half: Invalid value: "2500m": must be an integer' in answer.json["message"]
        del given["example.com/half"]
        wish = {"status": {"capacity": given, "conditions": [{"type": "Ready", "status": "False"}]}}
        assert (await patch(api, wish, MERGE, f"{NODE}/status")).status == 200
        found = (await api.ask("GET", f"{NODE}/status")).json["status"]
        assert found["allocatable"] == {"cpu": "2", "memory": "1Gi", "example.com/gpu": "4"}
        assert found["capacity"] == {"example.com/gpu": "4"}
        assert "conditions" not in found
        gone = {"status": {"capacity": {"example.com/gpu": None}}}
        assert (await patch(api, gone, MERGE, f"{NODE}/status")).status == 200
        assert "example.com/gpu" not in (await api.ask("GET", NODE)).json["status"]["allocatable"]

    play(tmp_path, scenario)


def test_a_node_can_not_be_created(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "x"}}
        assert (await api.ask("POST", "/api/v1/nodes", node)).status == 405
        served = {each["name"]: each["verbs"] for each in (await api.ask("GET", "/api/v1")).json["resources"]}
        assert "patch" in served["nodes"]
        assert "create" not in served["nodes"]

    play(tmp_path, scenario)
