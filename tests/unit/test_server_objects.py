"""Creating, reading, changing and deleting objects over HTTP, and how errors look."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from podrun.api import objects
from podrun.controllers.namespaces import Namespaces
from podrun.server import failures, listen
from tests import wait
from tests.fakes.api_server import NOW, PODS, Api, play, pod, running, succeeded

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def test_a_pod_is_created_with_defaults_and_read_again(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        created = await api.ask("POST", PODS, pod())
        assert created.status == 201
        assert created.json["spec"]["restartPolicy"] == "Always"
        assert created.json["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        assert created.json["metadata"]["generation"] == 1
        again = await api.ask("GET", f"{PODS}/web")
        assert (again.status, again.json) == (200, created.json)

    play(tmp_path, scenario)


def test_yaml_is_taken_too(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        text = b"apiVersion: v1\nkind: Pod\nmetadata: {generateName: web-}\nspec: {containers: [{name: a, image: b}]}\n"
        created = await api.ask("POST", PODS, text, Content_Type="application/yaml")
        assert created.status == 201
        assert created.json["metadata"]["name"].startswith("web-")
        assert len(created.json["metadata"]["name"]) == 9

    play(tmp_path, scenario)


def test_what_a_client_may_not_say_is_not_stored(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        lying = pod() | {"status": {"phase": "Running"}}
        lying["metadata"] |= {"uid": "mine", "deletionTimestamp": "2020-01-01T00:00:00Z", "resourceVersion": "7"}
        created = (await api.ask("POST", PODS, lying)).json
        assert created["status"]["phase"] == "Pending"
        assert created["metadata"]["uid"] != "mine"
        assert "deletionTimestamp" not in created["metadata"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "reason", "message"),
    [
        ("GET", f"{PODS}/none", None, 404, "NotFound", 'pods "none" not found'),
        ("DELETE", f"{PODS}/none", None, 404, "NotFound", 'pods "none" not found'),
        ("PUT", f"{PODS}/none", pod("none"), 404, "NotFound", 'pods "none" not found'),
        ("GET", "/api/v1/nonsense", None, 404, "NotFound", "the server could not find the requested resource"),
        ("GET", "/somewhere", None, 404, "NotFound", "the server could not find the requested resource"),
        ("GET", "/api/v1/pods/web", None, 404, "NotFound", "the server could not find the requested resource"),
        ("PUT", "/healthz", None, 405, "MethodNotAllowed", "the server does not allow this method"),
        ("POST", "/api/v1/pods", pod(), 405, "MethodNotAllowed", "the server does not allow this method"),
        ("POST", PODS, pod("there"), 409, "AlreadyExists", 'pods "there" already exists'),
        ("POST", "/api/v1/namespaces/x/pods", pod(), 404, "NotFound", 'namespaces "x" not found'),
        ("POST", PODS, {"apiVersion": "v1", "kind": "Pod"}, 422, "Invalid", "spec.containers: Required value"),
        ("POST", PODS, pod() | {"foo": 1}, 400, "BadRequest", 'strict decoding error: unknown field "foo"'),
        ("POST", PODS, b"{", 400, "BadRequest", "yaml: line"),
        ("POST", PODS, {"apiVersion": "v1", "kind": "Namespace"}, 400, "BadRequest", "cannot be handled as a Pod"),
        ("GET", f"{PODS}?labelSelector=a%20b", None, 400, "BadRequest", "unable to parse requirement"),
        ("GET", f"{PODS}?fieldSelector=x=y", None, 400, "BadRequest", "field label not supported: x"),
        ("GET", f"{PODS}?watch=1&resourceVersion=1", None, 410, "Expired", "too old resource version: 1"),
        ("GET", f"{PODS}?watch=1&resourceVersion=x", None, 400, "BadRequest", 'invalid resource version "x"'),
        ("DELETE", "/api/v1/namespaces/default", None, 403, "Forbidden", "this namespace may not be deleted"),
        ("DELETE", f"{PODS}/there", {"gracePeriodSeconds": "x"}, 400, "BadRequest", "must be a number"),
        ("PATCH", f"{PODS}/there", b"x", 415, "UnsupportedMediaType", "in an unknown format"),
    ],
)
def test_errors_are_statuses(
    tmp_path: Path, method: str, path: str, body: object, code: int, reason: str, message: str
) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod("there"))
        answer = await api.ask(method, path, body)
        status = answer.json
        assert (answer.status, status["kind"], status["status"]) == (code, "Status", "Failure")
        assert (status["code"], status["reason"]) == (code, reason)
        assert message in status["message"]

    play(tmp_path, scenario)


def test_a_foreign_namespace_in_the_object_is_refused(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        wrong = pod()
        wrong["metadata"]["namespace"] = "other"
        answer = await api.ask("POST", PODS, wrong)
        assert answer.status == 400
        assert "does not match the namespace sent on the request" in answer.json["message"]

    play(tmp_path, scenario)


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "LINGERING_SECONDS", wait.patient(60))  # in which the whole body is read and dropped

    async def scenario(api: Api) -> None:
        size = failures.MAX_BODY + 1
        said = await api.raw(b"POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (PODS.encode(), size, b"#" * size))
        assert b" 413 " in said.split(b"\r\n")[0]
        assert json.loads(said.split(b"\r\n\r\n")[1])["reason"] == "RequestEntityTooLarge"

        async def pieces() -> object:  # sent in chunks, without a length
            for _ in range(4):
                yield b"#" * (1 << 20)

        async with api.session.post(
            f"http://podrun{PODS}", data=pieces(), headers={"Content-Type": "application/json"}
        ) as response:
            assert response.status == 413
            assert (await response.json())["reason"] == "RequestEntityTooLarge"

    play(tmp_path, scenario)


def test_an_error_of_our_own_shows_no_inside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        await api.set_status("web", running())
        answer = await api.ask("POST", f"{PODS}/web/exec?command=crash&stdout=1", X_Podrun_Stream="shim")
        assert answer.status == 500
        assert answer.json["reason"] == "InternalError"
        assert b"secret" not in answer.body
        assert b"Traceback" not in answer.body

    play(tmp_path, scenario)
    assert "secret detail" in caplog.text


def test_lists_are_selected_by_namespace_labels_and_fields(tmp_path: Path) -> None:
    async def names(api: Api, path: str) -> list[str]:
        return [one["metadata"]["name"] for one in (await api.ask("GET", path)).json["items"]]

    async def scenario(api: Api) -> None:
        assert (
            await api.ask(
                "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
            )
        ).status == 201
        for name, app in (("a", "x"), ("b", "y")):
            await api.ask("POST", PODS, pod(name, app=app))
        await api.ask("POST", "/api/v1/namespaces/other/pods", pod("c", app="x"))
        assert await names(api, PODS) == ["a", "b"]
        assert await names(api, "/api/v1/pods") == ["a", "b", "c"]
        assert await names(api, "/api/v1/pods?labelSelector=app%3Dx") == ["a", "c"]
        assert await names(api, "/api/v1/pods?fieldSelector=metadata.name%3Db") == ["b"]
        assert await names(api, "/api/v1/namespaces") == ["default", "other"]
        answer = (await api.ask("GET", PODS)).json
        assert answer["kind"] == "PodList"
        assert int(answer["metadata"]["resourceVersion"]) == api.store.resource_version

    play(tmp_path, scenario)


def test_tables_are_made_here(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        table = (await api.ask("GET", PODS, Accept=TABLE)).json
        assert table["kind"] == "Table"
        assert [column["name"] for column in table["columnDefinitions"]][:5] == [
            "Name",
            "Ready",
            "Status",
            "Restarts",
            "Age",
        ]
        assert table["rows"][0]["cells"][:3] == ["web", "0/1", "Pending"]
        assert table["rows"][0]["object"]["metadata"]["name"] == "web"
        assert "spec" not in table["rows"][0]["object"]
        one = (await api.ask("GET", f"{PODS}/web?includeObject=Object", Accept=TABLE)).json
        assert one["rows"][0]["object"]["spec"]["restartPolicy"] == "Always"
        none = (await api.ask("GET", f"{PODS}?includeObject=None", Accept=TABLE)).json
        assert "object" not in none["rows"][0]
        plain = (await api.ask("GET", PODS, Accept="application/json, " + TABLE)).json
        assert plain["kind"] == "PodList"

    play(tmp_path, scenario)


def test_replacing_keeps_the_status_and_refuses_what_may_not_change(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        created = (await api.ask("POST", PODS, pod())).json
        await api.set_status("web", running())
        wish = (await api.ask("GET", f"{PODS}/web")).json
        wish["spec"]["containers"][0]["image"] = "busybox:2"
        del wish["status"]
        changed = await api.ask("PUT", f"{PODS}/web", wish)
        assert changed.status == 200
        assert changed.json["status"]["phase"] == "Running"
        assert changed.json["metadata"]["generation"] > created["metadata"]["generation"]
        stale = await api.ask("PUT", f"{PODS}/web", wish | {"metadata": wish["metadata"] | {"labels": {"a": "b"}}})
        assert stale.status == 409
        assert "the object has been modified" in stale.json["message"]
        forbidden = changed.json
        forbidden["spec"]["restartPolicy"] = "Never"
        refused = await api.ask("PUT", f"{PODS}/web", forbidden)
        assert refused.status == 422
        assert "pod updates may not change fields other than" in refused.json["message"]
        assert refused.json["details"]["causes"][0]["field"] == "spec"

    play(tmp_path, scenario)


def test_a_replaced_status_changes_nothing_else(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        created = (await api.ask("POST", PODS, pod())).json
        wish = created | {"status": {"phase": "Running"}, "spec": {"containers": [{"name": "x", "image": "y"}]}}
        answer = (await api.ask("PUT", f"{PODS}/web/status", wish)).json
        assert answer["status"]["phase"] == "Running"
        assert answer["spec"] == created["spec"]

    play(tmp_path, scenario)


def test_merge_patches_change_labels_and_annotations(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod(a="1", b="2"))
        changes = {"metadata": {"labels": {"a": None, "c": "3"}}}
        for type_ in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            answer = await api.ask("PATCH", f"{PODS}/web", changes, Content_Type=type_)
            assert answer.status == 200
            assert answer.json["metadata"]["labels"] == {"b": "2", "c": "3"}
        renamed = {"metadata": {"name": "other"}}
        type_ = "application/merge-patch+json"
        assert (await api.ask("PATCH", f"{PODS}/web", renamed, Content_Type=type_)).status == 400

    play(tmp_path, scenario)


def test_a_running_pod_is_deleted_gracefully_and_the_grace_only_shrinks(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        await api.set_status("web", running())
        first = (await api.ask("DELETE", f"{PODS}/web")).json["metadata"]
        assert (first["deletionGracePeriodSeconds"], first["deletionTimestamp"]) == (30, "2027-01-15T08:00:30Z")
        longer = (await api.ask("DELETE", f"{PODS}/web?gracePeriodSeconds=60")).json["metadata"]
        assert longer == first
        shorter = (await api.ask("DELETE", f"{PODS}/web", {"gracePeriodSeconds": 5})).json["metadata"]
        assert (shorter["deletionGracePeriodSeconds"], shorter["deletionTimestamp"]) == (5, "2027-01-15T08:00:05Z")
        again = await api.ask("POST", PODS, pod())
        assert again.json["message"] == 'object is being deleted: pods "web" already exists'
        forced = await api.ask("DELETE", f"{PODS}/web?gracePeriodSeconds=0")
        assert forced.status == 200
        assert api.store.get(objects.Pod, "default", "web") is None

    play(tmp_path, scenario)


def test_finished_and_unscheduled_pods_wait_for_the_kubelet_without_grace(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod("new"))
        await api.ask("POST", PODS, pod("done"))
        await api.set_status("done", succeeded())
        for name in ("new", "done"):
            metadata = (await api.ask("DELETE", f"{PODS}/{name}")).json["metadata"]
            assert metadata["deletionGracePeriodSeconds"] == 0
            assert metadata["deletionTimestamp"] == "2027-01-15T08:00:00Z"
            assert api.store.get(objects.Pod, "default", name) is not None
        assert NOW == 1_800_000_000

    play(tmp_path, scenario)


def test_deletion_heeds_the_uid_and_dry_runs(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", PODS, pod())
        refused = await api.ask("DELETE", f"{PODS}/web", {"preconditions": {"uid": "other"}})
        assert refused.status == 409
        assert "UID in precondition: other" in refused.json["message"]
        dry = await api.ask("DELETE", f"{PODS}/web?dryRun=All&gracePeriodSeconds=0")
        assert dry.status == 200
        found = api.store.get(objects.Pod, "default", "web")
        assert found is not None
        assert found.metadata.deletion_timestamp is None

    play(tmp_path, scenario)


def test_a_collection_is_deleted_by_selector(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        for name, app in (("a", "x"), ("b", "y")):
            await api.ask("POST", PODS, pod(name, app=app))
        answer = await api.ask("DELETE", f"{PODS}?labelSelector=app%3Dx&gracePeriodSeconds=0")
        assert [one["metadata"]["name"] for one in answer.json["items"]] == ["a"]
        assert [one.metadata.name for one in api.store.list(objects.Pod)[0]] == ["b"]

    play(tmp_path, scenario)


def test_a_namespace_goes_when_its_pods_have(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}}
        created = await api.ask("POST", "/api/v1/namespaces", namespace)
        assert created.json["status"]["phase"] == "Active"
        await api.ask("POST", "/api/v1/namespaces/mine/pods", pod())
        deleted = (await api.ask("DELETE", "/api/v1/namespaces/mine")).json
        assert deleted["status"]["phase"] == "Terminating"
        controller = asyncio.create_task(Namespaces(api.store).run())
        pods = api.store.watch(objects.Pod, "mine")
        while not (event := await anext(pods)).object.metadata.deletion_timestamp:
            pass
        assert event.type == "MODIFIED"
        assert (await api.ask("GET", "/api/v1/namespaces/mine")).status == 200
        gone = api.store.watch(objects.Namespace, since=api.store.resource_version)
        await api.ask("DELETE", "/api/v1/namespaces/mine/pods/web?gracePeriodSeconds=0")
        while (await anext(gone)).type != "DELETED":
            pass
        assert api.store.list(objects.ServiceAccount, "mine")[0] == []
        assert [each.metadata.name for each in api.store.list(objects.ServiceAccount, "default")[0]] == ["default"]
        controller.cancel()

    play(tmp_path, scenario)


def test_discovery_tells_kubectl_what_there_is(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        assert (await api.ask("GET", "/healthz")).body == b"ok"
        assert (await api.ask("GET", "/version")).json["gitVersion"].startswith("v1.")
        assert (await api.ask("GET", "/api")).json["versions"] == ["v1"]
        assert [one["name"] for one in (await api.ask("GET", "/apis")).json["groups"]] == ["metrics.k8s.io"]
        served = {one["name"]: one for one in (await api.ask("GET", "/api/v1")).json["resources"]}
        assert served["pods"]["shortNames"] == ["po"]
        assert {"pods/log", "pods/exec", "nodes", "events", "namespaces"} <= set(served)
        assert (await api.ask("GET", "/podrun/v1/info")).json == {"node": "fake"}

    play(tmp_path, scenario)
