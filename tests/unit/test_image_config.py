"""Image configs: what builders write is understood, what attackers write is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from podrun.image import config, manifests
from podrun.image.config import ConfigFile, ImageConfig
from podrun.image.errors import BadImage

DIFF_ID = "sha256:" + "a" * 64


def document(container: object = None, **fields: object) -> bytes:
    whole = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}}
    return json.dumps(whole | {"config": container} | fields).encode()


def test_every_field_that_a_container_needs_is_read() -> None:
    container = {
        "Entrypoint": ["/bin/web"],
        "Cmd": ["--port", "80"],
        "Env": ["PATH=/bin", "EMPTY=", "A=b=c"],
        "User": "web:www",
        "WorkingDir": "/srv",
        "StopSignal": "SIGQUIT",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"a": "b"},
        "OnBuild": None,
        "AttachStdin": False,
    }
    read = config.parse(document(container, created="2024-05-06T07:08:09.123456789Z", history=[{}]))
    assert read.config == ImageConfig(
        entrypoint=("/bin/web",),
        cmd=("--port", "80"),
        env=("PATH=/bin", "EMPTY=", "A=b=c"),
        user="web:www",
        working_dir="/srv",
        stop_signal="SIGQUIT",
        exposed_ports=("80/tcp",),
        volumes=("/data",),
        labels={"a": "b"},
    )
    assert read.diff_ids == (DIFF_ID,)
    assert read.created is not None
    assert read.created.replace(microsecond=0) == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_null_stands_for_nothing_as_docker_writes_it() -> None:
    empty = dict.fromkeys(["Entrypoint", "Cmd", "Env", "ExposedPorts", "Volumes", "Labels", "User", "WorkingDir"])
    assert config.parse(document(empty)).config == ImageConfig()
    assert config.parse(document(None, created=None)).config == ImageConfig()


def test_what_is_written_is_read_back() -> None:
    file = ConfigFile(
        architecture="amd64",
        os="linux",
        variant="",
        created=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        config=ImageConfig(cmd=("sh",), env=("A=b",), user="1:2", working_dir="/x", exposed_ports=("1/udp",)),
        diff_ids=(DIFF_ID,),
    )
    assert config.parse(config.encode(file, "test")) == file


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "bad image config"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff\xfe", "bad image config"),
        (b"[" * 100_000, "bad image config"),
        (b'{"rootfs":' + b'{"x":' * 100_000, "bad image config"),
        (b"{}", "missing required field `rootfs`"),
        (document({"Cmd": "sh"}), "$.config.Cmd"),
        (document({"Cmd": [1]}), "$.config.Cmd[0]"),
        (document({"Env": {"A": "b"}}), "$.config.Env"),
        (document({"User": 0}), "$.config.User"),
        (document({"Labels": {"a": 1}}), "$.config.Labels"),
        (document({"Env": ["A"]}), "Env has 'A', which is not NAME=value"),
        (document({"Env": ["=b"]}), "which is not NAME=value"),
        (document({"Cmd": ["a\0b"]}), "Cmd has a NUL in it"),
        (document({"WorkingDir": "/a\0b"}), "WorkingDir has a NUL in it"),
        (document({"Cmd": ["x" * 200_000]}), "Cmd has a string of more than"),
        (document({}, rootfs={"diff_ids": ["../../etc"]}), "'../../etc' is no sha256 digest"),
        (document({}, rootfs={"diff_ids": [DIFF_ID + "\n"]}), "is no sha256 digest"),
        (document({}, rootfs={"diff_ids": [DIFF_ID] * 128}), "128 layers, more than the 127"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_hostile_config_is_refused_with_a_reason(content: bytes, why: str) -> None:
    with pytest.raises(BadImage) as caught:
        config.parse(content)
    assert why in str(caught.value)


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "sha512:" + "a" * 128, "sha256:" + "A" * 64, ""])
def test_a_digest_that_could_be_a_path_is_refused(digest: str) -> None:
    manifest = {"schemaVersion": 2, "config": {"digest": digest, "size": 1}, "layers": []}
    with pytest.raises(BadImage, match="is no sha256 digest"):
        manifests.parse_manifest(json.dumps(manifest).encode())


def test_a_manifest_of_another_kind_is_refused() -> None:
    manifest = {"mediaType": "application/x-chart", "config": {"digest": DIFF_ID, "size": 1}, "layers": []}
    with pytest.raises(BadImage, match="unknown kind 'application/x-chart'"):
        manifests.parse_manifest(json.dumps(manifest).encode())
