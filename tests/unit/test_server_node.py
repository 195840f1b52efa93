"""What is handed on to the kubelet: exec and images; and that the fake kubelet of these tests is one."""

from __future__ import annotations

import inspect
from pathlib import Path

from podrun.api import objects
from podrun.server import node_agent
from tests.fakes.api_server import PODS, Api, play, pod, running, succeeded
from tests.fakes.node_agent import FakeAgent

EXEC = f"{PODS}/web/exec"


def test_the_fake_has_what_a_kubelet_must_have() -> None:
    for name, asked in inspect.getmembers(node_agent.NodeAgent, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(FakeAgent, name)) == inspect.signature(asked)


def test_exec_answers_with_a_ticket(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        created = (await api.ask("POST", PODS, pod())).json
        await api.set_status("web", running())
        query = "?command=echo&command=a%20b&stdout=1&stderr=1"
        for method in ("POST", "GET"):
            answer = await api.ask(method, EXEC + query, X_Podrun_Stream="shim")
            assert answer.status == 200
            assert answer.json == {"socket": f"/run/{created['metadata']['uid']}.sock", "token": "token"}
        assert api.agent.executed == [("main", ("echo", "a b"))] * 2

    play(tmp_path, scenario)


def test_exec_says_what_is_missing(tmp_path: Path) -> None:
    async def refusal(api: Api, query: str, **headers: str) -> tuple[int, str]:
        answer = await api.ask("POST", EXEC + query, **headers)
        return answer.status, answer.json["message"]

    async def scenario(api: Api) -> None:
        shim = {"X_Podrun_Stream": "shim"}
        await api.ask("POST", PODS, pod())
        assert await refusal(api, "?command=a&stdout=1", **shim) == (400, "pod web does not have a host assigned")
        await api.set_status("web", running())
        assert await refusal(api, "?command=a&stdout=1") == (400, "Upgrade request required")
        spdy = await refusal(api, "?command=a&stdout=1", Connection="Upgrade", Upgrade="SPDY/3.1")
        assert spdy[0] == 400
        assert "SPDY is not supported" in spdy[1]
        assert (await refusal(api, "?stdout=1", **shim))[0] == 422
        assert "at least 1 of stdin, stdout, stderr" in (await refusal(api, "?command=a", **shim))[1]
        wrong = await refusal(api, "?command=a&stdout=1&container=x", **shim)
        assert wrong == (400, "container x is not valid for pod web")
        await api.set_status("web", succeeded())
        assert "current phase is Succeeded" in (await refusal(api, "?command=a&stdout=1", **shim))[1]
        await api.set_status("web", objects.PodStatus(phase="Running"))
        assert (await refusal(api, "?command=a&stdout=1", **shim))[1] == 'container not found ("main")'
        assert api.agent.executed == []

    play(tmp_path, scenario)


def test_images_are_imported_loaded_listed_and_removed(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        wish = {"path": "/srv/root", "name": "demo:1", "cmd": ["sh"], "env": ["A=b"], "workingDir": "/tmp"}
        imported = await api.ask("POST", "/podrun/v1/images/import", wish)
        assert imported.json["image"]["names"] == ["demo:1"]
        assert api.agent.imported == [
            node_agent.ImportRequest(Path("/srv/root"), "demo:1", cmd=("sh",), env=("A=b",), working_dir="/tmp")
        ]
        archive = tmp_path / "saved.tar"
        archive.write_bytes(b"")
        loaded = await api.ask("POST", "/podrun/v1/images/load", {"path": str(archive)})
        assert [one["names"] for one in loaded.json["images"]] == [["saved"]]
        listed = (await api.ask("GET", "/podrun/v1/images")).json["images"]
        assert [one["names"] for one in listed] == [["demo:1"], ["saved"]]
        removed = await api.ask("DELETE", "/podrun/v1/images?name=demo:1")
        assert removed.json == {"untagged": ["demo:1"], "deleted": ["sha256:demo:1"]}

    play(tmp_path, scenario)


def test_refusals_about_images_keep_their_words_and_hint(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        answer = await api.ask("POST", "/podrun/v1/images/load", {"path": "/none.tar"})
        assert (answer.status, answer.json["message"]) == (422, "cannot load /none.tar: no such file")
        assert answer.json["details"]["causes"] == [{"reason": "Hint", "message": "give the path of an archive"}]
        for body in ({"path": "relative"}, {"path": 1}, ["path"]):
            assert (await api.ask("POST", "/podrun/v1/images/load", body)).status == 400
        assert (await api.ask("POST", "/podrun/v1/images/import", {"path": "/x"})).status == 400
        assert (
            await api.ask("POST", "/podrun/v1/images/import", {"path": "/x", "name": "a", "env": "A=b"})
        ).status == 400
        assert (await api.ask("DELETE", "/podrun/v1/images")).status == 400

    play(tmp_path, scenario)
