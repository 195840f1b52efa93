"""The files of configMap, secret, downwardAPI and projected volumes, and what the kubelet says where one is missing."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import downward, volume_files
from podrun.volume.atomic_writer import File

POD = objects.Pod(
    metadata=objects.ObjectMeta(
        name="p", namespace="n", uid="u", labels={"b": 'two "x"', "a": "1"}, annotations={"k": "v"}
    ),
    spec=objects.PodSpec(
        containers=(objects.Container(name="c", resources=objects.ResourceRequirements(limits={"cpu": "250m"})),)
    ),
)
CONFIG = objects.ConfigMap(data={"one": "1", "two": "2"}, binary_data={"bin": "/wA="})
SECRET = objects.Secret(data={"pass": "c2VjcmV0"})


def sources(pod: objects.Pod = POD) -> volume_files.Sources:
    return volume_files.Sources(
        config_map={"config": CONFIG}.get,
        secret={"secret": SECRET}.get,
        facts=downward.Facts("node"),
        token=lambda projection: f"token for {projection.audience}",
    )


def files(pod: objects.Pod = POD, **source: Any) -> dict[str, File]:
    return volume_files.files(objects.Volume(name="v", **source), pod, sources())


def config(**fields: Any) -> dict[str, Any]:
    return {"config_map": objects.ConfigMapVolumeSource(**({"name": "config"} | fields))}


def secret(**fields: Any) -> dict[str, Any]:
    return {"secret": objects.SecretVolumeSource(**({"secret_name": "secret"} | fields))}


def key(key: str, path: str, mode: int | None = None) -> objects.KeyToPath:
    return objects.KeyToPath(key=key, path=path, mode=mode)


def test_all_keys_or_those_that_are_named_with_their_modes() -> None:
    assert files(**config(default_mode=0o600)) == {
        "one": File(b"1", 0o600),
        "two": File(b"2", 0o600),
        "bin": File(b"\xff\x00", 0o600),
    }
    assert files(**config(items=(key("two", "deep/er", 0o400), key("one", "x")))) == {
        "deep/er": File(b"2", 0o400),
        "x": File(b"1", 0o644),
    }
    assert files(**secret()) == {"pass": File(b"secret", 0o644)}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (config(name="none"), 'configmap "none" not found'),
        (secret(secret_name="none"), 'secret "none" not found'),
        (config(items=(key("none", "x"),)), "configmap references non-existent config key: none"),
        (secret(items=(key("none", "x"),)), "references non-existent secret key: none"),
    ],
)
def test_what_is_missing_is_told_unless_it_is_optional(source: dict[str, Any], text: str) -> None:
    with pytest.raises(PodrunError) as caught:
        files(**source)
    assert str(caught.value) == text
    (kind, given), *_ = source.items()
    optional = type(given)(**{name: getattr(given, name) for name in given.__struct_fields__} | {"optional": True})
    assert files(**{kind: optional}) == {}


def test_the_pods_own_fields() -> None:
    def field(path: str, name: str) -> objects.DownwardAPIVolumeFile:
        return objects.DownwardAPIVolumeFile(path=path, field_ref=objects.ObjectFieldSelector(field_path=name))

    cpu = objects.ResourceFieldSelector(container_name="c", resource="limits.cpu", divisor="1m")
    items = (
        field("labels", "metadata.labels"),
        field("label", "metadata.labels['a']"),
        field("uid", "metadata.uid"),
        objects.DownwardAPIVolumeFile(path="cpu", resource_field_ref=cpu, mode=0o400),
    )
    assert files(downward_api=objects.DownwardAPIVolumeSource(items=items)) == {
        "labels": File(b'a="1"\nb="two \\"x\\""', 0o644),
        "label": File(b"1", 0o644),
        "uid": File(b"u", 0o644),
        "cpu": File(b"250", 0o400),
    }


def projected(*projections: objects.VolumeProjection, pod: objects.Pod = POD) -> dict[str, File]:
    return files(pod, projected=objects.ProjectedVolumeSource(sources=projections, default_mode=0o640))


def test_a_projected_volume_is_all_its_sources_and_tells_all_that_is_missing() -> None:
    one = objects.VolumeProjection(config_map=objects.ConfigMapProjection(name="config", items=(key("one", "c/one"),)))
    two = objects.VolumeProjection(secret=objects.SecretProjection(name="secret"))
    assert projected(one, two) == {"c/one": File(b"1", 0o640), "pass": File(b"secret", 0o640)}
    gone = (
        objects.VolumeProjection(config_map=objects.ConfigMapProjection(name="a")),
        objects.VolumeProjection(secret=objects.SecretProjection(name="b")),
    )
    with pytest.raises(PodrunError, match=r'^configmap "a" not found$'):
        projected(one, gone[0])
    with pytest.raises(PodrunError, match=r'^\[configmap "a" not found, secret "b" not found\]$'):
        projected(*gone)


def test_a_token_belongs_to_the_one_user_of_all_containers() -> None:
    token = objects.VolumeProjection(
        service_account_token=objects.ServiceAccountTokenProjection(audience="me", path="token")
    )
    assert projected(token) == {"token": File(b"token for me", 0o640)}

    def pod(of_pod: int | None, *of_containers: int | None) -> objects.Pod:
        containers = tuple(
            objects.Container(name=f"c{n}", security_context=objects.SecurityContext(run_as_user=user))
            for n, user in enumerate(of_containers)
        )
        context = objects.PodSecurityContext(run_as_user=of_pod)
        return objects.Pod(spec=objects.PodSpec(containers=containers, security_context=context))

    owned = {"token": File(b"token for me", 0o600, 7)}
    assert projected(token, pod=pod(7, None, None)) == owned
    assert projected(token, pod=pod(1, 7, 7)) == owned
    assert projected(token, pod=pod(1, None, 7)) == {"token": File(b"token for me", 0o640)}
