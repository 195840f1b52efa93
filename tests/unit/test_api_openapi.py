"""The OpenAPI document: what kubectl looks for in it is there, and all that it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from podrun.api import kinds, openapi
from tests.fakes.api_server import Api, play

DOCUMENT = openapi.document([(kind, True, kind.name != "Event") for kind in kinds.KINDS], "1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]
POD = SCHEMAS["io.k8s.api.core.v1.Pod"]
CONTAINER = SCHEMAS["io.k8s.api.core.v1.Container"]["properties"]


def values_of(key: str, within: object) -> Iterator[Any]:
    if isinstance(within, dict):
        for name, value in within.items():
            if name == key and isinstance(value, str):
                yield value
            yield from values_of(key, value)
    elif isinstance(within, list):
        for value in within:
            yield from values_of(key, value)


def test_every_reference_leads_to_a_schema() -> None:
    references = set(values_of("$ref", DOCUMENT))
    assert len(references) > 100
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= SCHEMAS.keys()


def test_every_kind_is_found_by_its_name_and_version() -> None:
    found = {name["kind"] for schema in SCHEMAS.values() for name in schema.get("x-kubernetes-group-version-kind", ())}
    assert found == {kind.name for kind in kinds.KINDS}
    assert POD["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]


def test_a_patch_says_that_the_server_validates_fields() -> None:
    patch = DOCUMENT["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert {"fieldValidation", "dryRun"} <= {parameter["name"] for parameter in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Pod"
    assert "patch" not in DOCUMENT["paths"]["/api/v1/namespaces/{namespace}/events/{name}"]
    assert "/api/v1/nodes/{name}" in DOCUMENT["paths"]


def test_fields_have_kubernetes_types() -> None:
    assert CONTAINER["name"]["type"] == "string"
    assert CONTAINER["command"]["items"] == {"type": "string"}
    assert CONTAINER["resources"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.ResourceRequirements"}]
    assert POD["properties"]["metadata"]["allOf"][0]["$ref"].endswith("pkg.apis.meta.v1.ObjectMeta")
    limits = SCHEMAS["io.k8s.api.core.v1.ResourceRequirements"]["properties"]["limits"]
    assert limits["additionalProperties"]["$ref"].endswith("pkg.api.resource.Quantity")
    assert SCHEMAS["io.k8s.api.core.v1.Probe"]["properties"]["periodSeconds"]["format"] == "int32"
    assert "containers" in SCHEMAS["io.k8s.api.core.v1.PodSpec"]["required"]


def test_the_index_leads_to_the_document(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        index = (await api.ask("GET", "/openapi/v3?timeout=32s")).json
        document = (await api.ask("GET", index["paths"]["api/v1"]["serverRelativeURL"])).json
        assert document["openapi"].startswith("3.")
        assert "post" not in document["paths"]["/api/v1/nodes"]
        assert "post" in document["paths"]["/api/v1/namespaces/{namespace}/pods"]

    play(tmp_path, scenario)
