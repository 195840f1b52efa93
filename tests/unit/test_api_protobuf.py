"""Objects in protobuf, as kubectl sends them, become what they are in JSON."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest

from podrun.api import explanations, kinds, objects, protobuf
from podrun.api.objects.struct import KubeStruct
from podrun.api.protobuf_fields import FIELDS
from tests.fakes.api_server import PODS, Api, play, pod

PROTOBUF = "application/vnd.kubernetes.protobuf"


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    head = bytearray()
    while number > 0x7F:
        head.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*head, number))


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    sent = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(sent)) + sent


def encoded(kind: str, content: bytes, api_version: str = "v1") -> bytes:
    head = field(1, api_version) + field(2, kind)
    return b"k8s\x00" + field(1, head) + field(2, content) + field(3, "") + field(4, "")


def metadata(name: str) -> bytes:
    """As Go writes it: what is empty, too."""
    return field(1, name) + field(2, "") + field(3, "") + field(5, "") + field(7, 0) + field(8, b"")


def test_a_config_map() -> None:
    entries = field(2, field(1, "key") + field(2, "value")) + field(2, field(1, "empty") + field(2, ""))
    binary = field(3, field(1, "bytes") + field(2, b"\x00\xff"))
    decoded = protobuf.decode(encoded("ConfigMap", field(1, metadata("settings")) + entries + binary + field(4, 1)))
    assert decoded["data"] == {"key": "value", "empty": ""}
    assert decoded["binaryData"] == {"bytes": "AP8="}
    assert decoded["immutable"] is True
    assert decoded["metadata"]["name"] == "settings"
    assert decoded["metadata"]["creationTimestamp"] is None
    assert (decoded["apiVersion"], decoded["kind"]) == ("v1", "ConfigMap")


def test_a_pod_with_everything_that_is_nested_elsewhere() -> None:
    port = field(1, 1) + field(2, 0) + field(3, "http")
    probe = field(1, field(2, field(1, "/") + field(2, port))) + field(2, 5)
    number = field(1, field(3, field(1, field(1, 0) + field(2, 8080) + field(3, ""))))
    limits = field(1, field(1, "cpu") + field(2, field(1, "500m")))
    container = (
        field(1, "main") + field(3, "sleep") + field(3, "9") + field(8, limits) + field(10, probe) + field(11, number)
    )
    volume = field(1, "files") + field(2, field(19, field(1, field(1, "settings")) + field(3, 0o600)))
    spec = field(1, volume) + field(2, container) + field(5, -1) + field(14, field(2, 0))
    started = field(1, metadata("web") + field(9, field(1, 1_800_000_000))) + field(2, spec) + field(3, b"")
    decoded = protobuf.decode(encoded("Pod", started))
    (main,) = decoded["spec"]["containers"]
    assert main["command"] == ["sleep", "9"]
    assert main["resources"]["limits"] == {"cpu": "500m"}
    assert main["livenessProbe"] == {"httpGet": {"path": "/", "port": "http"}, "initialDelaySeconds": 5}
    assert main["readinessProbe"]["tcpSocket"]["port"] == 8080
    assert decoded["spec"]["volumes"] == [{"name": "files", "configMap": {"name": "settings", "defaultMode": 0o600}}]
    assert decoded["spec"]["activeDeadlineSeconds"] == -1
    assert decoded["spec"]["securityContext"] == {"runAsUser": 0}
    assert decoded["metadata"]["deletionTimestamp"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00\x0a\x7f",
        b"k8s\x00\x80",
        b"k8s\x00" + b"\xff" * 11,
        b"k8s\x00\x08\x01",
        b"k8s\x00\x0d1234",
        encoded("ConfigMap", field(1, 7)),
        encoded("ConfigMap", field(1, field(1, b"\xff"))),
        encoded("ConfigMap", field(1, field(8, field(1, 1 << 62)))),
        encoded("ConfigMap", field(4, "yes")),
    ],
)
def test_what_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(protobuf.ProtobufError):
        protobuf.decode(body)


def test_every_number_is_that_of_a_field_and_every_field_that_is_sent_has_one() -> None:
    creatable = [kind.type for kind in kinds.KINDS if kind.name not in ("Event", "Node")]
    newer = {"hostnameOverride", "podCertificate", "restartPolicyRules", "fileKeyRef"}  # than the numbers
    waiting: list[type[KubeStruct]] = [objects.DeleteOptions, *creatable]
    seen: set[type[KubeStruct]] = set()
    while waiting:
        type_ = waiting.pop()
        seen.add(type_)
        fields = explanations.fields_of(type_)
        numbered = names(type_.__name__)
        assert numbered <= fields.keys(), type_
        assert fields.keys() - numbered - {"kind", "apiVersion"} <= newer, type_
        inner = (struct_in(hint) for name, hint in fields.items() if name not in {"status", *newer})
        waiting += [one for one in inner if one is not None and one not in seen]


def names(of: str) -> set[str]:
    found: set[str] = set()
    for word in FIELDS[of].split():
        found |= names(word[1:]) if word.startswith("@") else {word} - {"-"}
    return found


def struct_in(hint: Any) -> type[KubeStruct] | None:
    if isinstance(hint, type) and issubclass(hint, KubeStruct):
        return hint
    return next((found for one in typing.get_args(hint) if (found := struct_in(one))), None)


def test_the_server_takes_it_and_says_what_else_it_does_not_take(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        path = "/api/v1/namespaces/default/configmaps"
        settings = encoded("ConfigMap", field(1, metadata("settings")))
        both = f"{PROTOBUF},application/json"
        created = await api.ask("POST", path, settings, Content_Type=PROTOBUF, Accept=both)
        assert (created.status, created.headers["Content-Type"].partition(";")[0]) == (201, "application/json")
        unknown = encoded("ConfigMap", field(1, metadata("other")) + field(99, 1))
        refused = await api.ask("POST", path, unknown, Content_Type=PROTOBUF)
        assert (refused.status, 'unknown field "#99"' in refused.json["message"]) == (400, True)
        refused = await api.ask("POST", path, b"k8s\x00\x80", Content_Type=PROTOBUF)
        assert refused.status == 400
        refused = await api.ask("POST", PODS, pod(), Content_Type="application/cbor")
        assert (refused.status, refused.json["reason"]) == (415, "UnsupportedMediaType")
        for method in ("POST", "GET"):
            refused = await api.ask(method, PODS, pod() if method == "POST" else None, Accept=PROTOBUF)
            assert (refused.status, refused.json["reason"]) == (406, "NotAcceptable")
        assert (await api.ask("GET", PODS)).json["items"] == []
        options = encoded("DeleteOptions", field(1, 0) + field(2, field(1, "another")))
        refused = await api.ask("DELETE", f"{path}/settings", options, Content_Type=PROTOBUF)
        assert refused.status == 409
        assert (
            await api.ask("DELETE", f"{path}/settings", encoded("DeleteOptions", b""), Content_Type=PROTOBUF)
        ).status == 200

    play(tmp_path, scenario)


def test_who_reaches_the_socket_may_do_everything(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        asked = encoded("SelfSubjectAccessReview", b"", "authorization.k8s.io/v1")
        assert (await api.ask("POST", path, asked, Content_Type=PROTOBUF)).json["status"] == {"allowed": True}
        identity = await api.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", asked)
        assert identity.json["status"]["userInfo"]["username"] == "root"

    play(tmp_path, scenario)
