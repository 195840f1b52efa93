"""`podrun explain`: fields from the typed objects, in kubectl's layout."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from podrun.api import descriptions, explanations, kinds, objects
from podrun.cli import explain
from tests.fakes.api_server import Api, play
from tests.fakes.cli_runs import Cli
from tests.fakes.prepared_server import PreparedServer


def test_a_field_is_found_by_its_path_with_its_type() -> None:
    found = explanations.explain(objects.Pod, ("spec", "containers", "ports"), recursive=False)
    assert found is not None
    assert (found.name, found.type) == ("ports", "[]ContainerPort")
    kinds_of = {one.name: one.type for one in found.fields}
    assert kinds_of["containerPort"] == "integer"
    assert explanations.explain(objects.Pod, ("spec", "nope"), recursive=False) is None
    assert explanations.explain(objects.Pod, ("kind", "nope"), recursive=False) is None


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_every_kind_can_be_explained_to_the_last_field(kind: kinds.Kind) -> None:
    found = explanations.explain(kind.type, (), recursive=True)
    assert found is not None
    assert found.fields
    assert found.description


def test_descriptions_are_of_types_and_fields_that_exist() -> None:
    known: set[str] = set()
    seen: set[type] = set()

    def visit(type_: object) -> None:
        struct = explanations._struct_in(type_)
        if struct is None or struct in seen:
            return
        seen.add(struct)
        known.add(struct.__name__)
        for name, inner in explanations.fields_of(struct).items():
            known.update((f"{struct.__name__}.{name}", f"*.{name}"))
            visit(inner)

    for kind in kinds.KINDS:
        visit(kind.type)
    assert set(descriptions.DESCRIPTIONS) - known == set()
    assert set(descriptions.REQUIRED) - known == set()


def test_the_layout_is_kubectls(server: PreparedServer, cli: Cli) -> None:
    found = explanations.explain(objects.Pod, ("spec", "hostAliases"), recursive=False)
    body = {"kind": "Pod", "version": "v1", "field": msgspec.to_builtins(found)}
    server.answer("GET /podrun/v1/explain", body)
    assert cli("explain", "pods.spec.hostAliases").out == (
        "KIND:       Pod\nVERSION:    v1\n\nFIELD: hostAliases <[]HostAlias>\n\n"
        "DESCRIPTION:\n    More lines of /etc/hosts.\n\nFIELDS:\n"
        "  hostnames\t<[]string>\n    <no description>\n\n  ip\t<string> -required-\n    <no description>\n\n"
    )
    assert explain.text(body, recursive=True).endswith(
        "FIELDS:\n  hostnames\t<[]string>\n  ip\t<string> -required-\n\n"
    )
    assert cli("explain").err.startswith("error: You must specify the type of resource to explain.")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        missing = await api.ask("GET", "/podrun/v1/explain?resource=pods&path=spec.nope")
        assert (missing.status, missing.json["message"]) == (404, 'field "nope" does not exist')
        unknown = await api.ask("GET", "/podrun/v1/explain?resource=nope")
        assert unknown.json["message"] == 'the server doesn\'t have a resource type "nope"'
        assert (await api.ask("GET", "/podrun/v1/explain?resource=po&path=spec")).json["field"]["type"] == "PodSpec"

    play(tmp_path, scenario)
