"""Whose pull secrets a pod has: its own, or those of its service account."""

from __future__ import annotations

import base64
from pathlib import Path

from podrun.api import objects
from podrun.kubelet import pull_secrets
from tests.fakes.api_server import Api, play


def named(name: str) -> objects.ObjectMeta:
    return objects.ObjectMeta(name=name, namespace="default")


def test_the_secrets_of_the_account_stand_for_none_of_the_pod(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        config = base64.b64encode(b'{"auths": {"registry.example": {"username": "me", "password": "x"}}}').decode()
        of_account = (objects.LocalObjectReference(name="theirs"),)
        await api.store.create(
            objects.Secret(
                metadata=named("theirs"),
                type="kubernetes.io/dockerconfigjson",
                data={".dockerconfigjson": config},
            )
        )
        pod = objects.Pod(metadata=named("p"), spec=objects.PodSpec(service_account_name="default"))
        assert pull_secrets.keyrings(pod, api.store) == ([], [])
        account = objects.ServiceAccount(metadata=named("default"), image_pull_secrets=of_account)
        await api.store.create(account)
        found, missing = pull_secrets.keyrings(pod, api.store)
        assert (len(found), missing) == (1, [])
        own = objects.PodSpec(image_pull_secrets=(objects.LocalObjectReference(name="none"),))
        assert pull_secrets.keyrings(objects.Pod(metadata=named("p"), spec=own), api.store) == ([], ["none"])

    play(tmp_path, scenario)
