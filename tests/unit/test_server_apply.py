"""Whole manifest files: created, configured, unchanged, refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from podrun.api import objects
from podrun.server.applying import LAST_APPLIED
from tests.fakes.api_server import PODS, Answer, Api, play, pod, running

APPLY = "/podrun/v1/apply"


async def apply(api: Api, *documents: dict[str, Any], query: str = "") -> Answer:
    text = "\n---\n".join(json.dumps(document) for document in documents).encode()
    return await api.ask("PATCH", APPLY + query, text, Content_Type="application/apply-patch+yaml")


async def results(api: Api, *documents: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = await apply(api, *documents, query=query)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["results"]
    return found


async def result(api: Api, *documents: dict[str, Any], query: str = "") -> dict[str, Any]:
    (only,) = await results(api, *documents, query=query)
    return only


def test_applied_twice_it_is_created_then_unchanged(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        first = await result(api, pod(app="x"))
        assert (first["kind"], first["namespace"], first["name"]) == ("Pod", "default", "web")
        assert (first["result"], first["error"], first["warnings"]) == ("created", None, [])
        await api.set_status("web", running())
        second = await result(api, pod(app="x"))
        assert second["result"] == "unchanged"
        assert second["object"]["status"]["phase"] == "Running"
        assert second["object"]["metadata"]["uid"] == first["object"]["metadata"]["uid"]

    play(tmp_path, scenario)


def test_what_was_applied_is_remembered_as_kubectl_does(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        applied = await result(api, pod(app="x"))
        remembered = json.loads(applied["object"]["metadata"]["annotations"][LAST_APPLIED])
        assert remembered["metadata"] == {
            "annotations": {},
            "labels": {"app": "x"},
            "name": "web",
            "namespace": "default",
        }
        assert remembered["spec"]["containers"][0]["image"] == "busybox:1"
        assert "restartPolicy" not in remembered["spec"]
        assert "status" not in remembered

    play(tmp_path, scenario)


def test_labels_are_merged_three_ways(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await result(api, pod(ours="1", dropped="1"))
        theirs = {"metadata": {"labels": {"theirs": "1"}}}
        await api.ask("PATCH", f"{PODS}/web", theirs, Content_Type="application/merge-patch+json")
        changed = await result(api, pod(ours="2"))
        assert changed["result"] == "configured"
        assert changed["object"]["metadata"]["labels"] == {"ours": "2", "theirs": "1"}

    play(tmp_path, scenario)


def test_a_new_image_configures_and_a_new_command_is_forbidden(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await result(api, pod())
        image = pod()
        image["spec"]["containers"][0]["image"] = "busybox:2"
        changed = await result(api, image)
        assert changed["result"] == "configured"
        assert changed["object"]["metadata"]["generation"] == 2
        command = copy.deepcopy(image)
        command["spec"]["containers"][0]["command"] = ["true"]
        refused = await result(api, command)
        assert refused["result"] is None
        assert refused["error"]["reason"] == "Invalid"
        assert 'Pod "web" is invalid: spec: Forbidden: pod updates may not change' in refused["error"]["message"]
        found = api.store.get(objects.Pod, "default", "web")
        assert found is not None
        assert found.spec.containers[0].command == ()

    play(tmp_path, scenario)


def test_an_image_that_others_changed_is_set_back(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await result(api, pod())
        image = {"spec": {"containers": [{"name": "main", "image": "busybox:9"}]}}
        patched = await api.ask("PATCH", f"{PODS}/web", image, Content_Type="application/merge-patch+json")
        assert patched.status == 200
        again = await result(api, pod())
        assert again["result"] == "configured"
        assert again["object"]["spec"]["containers"][0]["image"] == "busybox:1"

    play(tmp_path, scenario)


def test_what_others_added_to_the_spec_stays(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await result(api, pod())
        added = {"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}}
        patched = await api.ask("PATCH", f"{PODS}/web", added, Content_Type="application/merge-patch+json")
        assert patched.status == 200, patched.body
        again = await result(api, pod())
        assert again["result"] == "unchanged"
        assert again["object"]["spec"]["tolerations"] == [{"key": "a", "operator": "Exists"}]

    play(tmp_path, scenario)


def test_the_pull_policy_of_the_first_tag_stays_with_a_new_one(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await result(api, pod())
        latest = pod()
        latest["spec"]["containers"][0]["image"] = "busybox:latest"
        changed = await result(api, latest)
        assert changed["result"] == "configured", changed["error"]
        container = changed["object"]["spec"]["containers"][0]
        assert (container["image"], container["imagePullPolicy"]) == ("busybox:latest", "IfNotPresent")

    play(tmp_path, scenario)


def test_a_pod_that_is_being_deleted_is_warned_of(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await result(api, pod())
        await api.ask("DELETE", f"{PODS}/web")
        again = await result(api, pod())
        assert again["result"] == "unchanged"
        assert again["warnings"] == ["Detected changes to resource web which is currently being deleted."]

    play(tmp_path, scenario)


def test_a_pod_that_was_only_created_is_taken_over_with_a_warning(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        applied = await result(api, pod())
        assert applied["result"] == "configured"
        assert "is missing the kubectl.kubernetes.io/last-applied-configuration annotation" in applied["warnings"][0]

    play(tmp_path, scenario)


def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}}
        inside = pod()
        inside["metadata"]["namespace"] = "mine"
        version = api.store.resource_version
        dry = await results(api, namespace, inside, query="?dryRun=All")
        assert [one["result"] for one in dry] == ["created", "created"]
        assert api.store.resource_version == version
        await results(api, namespace, inside)
        dry = await results(api, namespace, inside, query="?dryRun=All")
        assert [one["result"] for one in dry] == ["unchanged", "unchanged"]

    play(tmp_path, scenario)


def test_a_file_that_does_not_parse_is_refused_whole_with_all_that_is_wrong(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        answer = await apply(api, pod("good"), pod("a") | {"foo": 1}, pod("b") | {"spec": {"bar": 1}})
        assert answer.status == 400
        assert 'unknown field "foo"' in answer.json["message"]
        assert 'unknown field "spec.bar"' in answer.json["message"]
        assert api.store.list(objects.Pod)[0] == []

    play(tmp_path, scenario)


def test_one_invalid_object_keeps_all_from_being_stored(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        good, bad = await results(api, pod("good"), pod("Bad"))
        assert (good["result"], good["error"]) == (None, None)
        assert bad["error"]["code"] == 422
        assert "a lowercase RFC 1123 subdomain must consist of" in bad["error"]["message"]
        assert api.store.list(objects.Pod)[0] == []

    play(tmp_path, scenario)


def test_fields_not_carried_out_are_refused_by_name(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        wish = pod()
        wish["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimName": "gpu"}]
        refused = await result(api, wish)
        assert "spec.resourceClaims: Forbidden: podrun does not carry out this field yet" in refused["error"]["message"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("runtimeClassName", "gvisor", 'RuntimeClass "gvisor" not found'),
        ("overhead", {"cpu": "1"}, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
    ],
)
def test_there_are_no_runtime_classes(tmp_path: Path, field: str, value: object, why: str) -> None:
    async def scenario(api: Api) -> None:
        wish = pod("a")
        wish["spec"][field] = value
        refused = await result(api, wish)
        assert (refused["error"]["code"], refused["error"]["reason"]) == (403, "Forbidden")
        assert f'pods "a" is forbidden: pod rejected: {why}' in refused["error"]["message"]

    play(tmp_path, scenario)


def test_a_namespace_insisted_on_must_agree(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        elsewhere = pod()
        elsewhere["metadata"]["namespace"] = "default"
        refused = await result(api, elsewhere, query="?namespace=other")
        assert "You must pass '--namespace=default' to perform this operation." in refused["error"]["message"]
        missing = await result(api, pod(), query="?namespace=other")
        assert missing["error"]["message"] == 'namespaces "other" not found'
        assert missing["namespace"] == "other"

    play(tmp_path, scenario)


def test_a_large_file_is_parsed_beside_the_event_loop(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        large = pod()
        large["metadata"]["annotations"] = {"big": "x" * 100_000}
        assert (await result(api, large))["result"] == "created"

    play(tmp_path, scenario)


def test_a_list_is_applied_item_by_item(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        both = await results(api, {"apiVersion": "v1", "kind": "List", "items": [pod("a"), pod("b")]})
        assert [(one["name"], one["result"]) for one in both] == [("a", "created"), ("b", "created")]

    play(tmp_path, scenario)


def test_a_file_can_be_asked_what_it_names(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        text = "\n---\n".join(json.dumps(pod(name)) for name in "ab").encode()
        answer = await api.ask("POST", "/podrun/v1/decode", text)
        results = answer.json["results"]
        assert [one.pop("object")["metadata"] for one in results] == [{"name": name} for name in "ab"]
        assert results == [{"kind": "Pod", "namespace": "default", "name": name} for name in "ab"]
        assert (await api.ask("POST", "/podrun/v1/decode", b"a: [")).status == 400

    play(tmp_path, scenario)


def test_one_object_is_applied_under_its_own_path_too(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        for code in (201, 200):
            answer = await api.ask("PATCH", f"{PODS}/web", pod(), Content_Type="application/apply-patch+yaml")
            assert answer.status == code
            assert answer.json["metadata"]["name"] == "web"
        other = await api.ask("PATCH", f"{PODS}/other", pod(), Content_Type="application/apply-patch+yaml")
        assert other.status == 400

    play(tmp_path, scenario)


def test_a_pod_needs_its_service_account_when_it_is_made(tmp_path: Path) -> None:
    def of_account(name: str) -> dict[str, Any]:
        made = pod(name)
        made["spec"]["serviceAccountName"] = "robot"
        return made

    async def scenario(api: Api) -> None:
        missing = (
            'pods "a" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found'
        )
        assert (await result(api, of_account("a")))["error"]["message"] == missing
        created = await api.ask("POST", PODS, of_account("a"))
        assert (created.status, created.json["reason"], created.json["message"]) == (403, "Forbidden", missing)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        for query in ("?dryRun=All", ""):
            assert [one["result"] for one in await results(api, account, of_account("a"), query=query)] == [
                "created"
            ] * 2
        await api.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/robot")
        assert (await result(api, of_account("a")))["result"] == "unchanged"

    play(tmp_path, scenario)


def test_the_annotation_that_kubectl_adds_after_a_server_side_apply_changes_nothing_else(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        applied = await result(api, pod(app="x"))
        annotated = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": {"a": "b"}}}
        query = "?fieldManager=kubectl-last-applied&force=true"
        answer = await api.ask("PATCH", f"{PODS}/web{query}", annotated, Content_Type="application/apply-patch+yaml")
        assert answer.status == 200, answer.body
        before = applied["object"]["metadata"]
        assert answer.json["metadata"]["annotations"] == {**before["annotations"], "a": "b"}
        assert answer.json["metadata"]["labels"] == before["labels"]
        assert answer.json["spec"] == applied["object"]["spec"]

    play(tmp_path, scenario)
