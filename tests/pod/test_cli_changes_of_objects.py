"""The verbs that change objects, one after the other against a real kubelet."""

from __future__ import annotations

from pathlib import Path

from tests.pod import manifests
from tests.pod.instance import Instance


def test_objects_are_created_marked_patched_edited_compared_and_replaced(node: Instance, tmp_path: Path) -> None:
    assert node.run("create", "cm", "c", "--from-literal=a=1").stdout == "configmap/c created\n"
    assert node.run("label", "cm/c", "tier=x").stdout == "configmap/c labeled\n"
    patched = node.run("patch", "cm", "c", "--type=json", "-p", '[{"op":"add","path":"/data/b","value":"2"}]')
    assert patched.stdout == "configmap/c patched\n"
    refused = node.run("patch", "cm", "c", "--type=json", "-p", '[{"op":"remove","path":"/data/z"}]', check=False)
    assert "the server rejected our request due to an error in our request" in refused.stderr
    path = tmp_path / "c.yaml"
    path.write_text(node.run("create", "cm", "c", "--from-literal=a=3", "--dry-run=client", "-o", "yaml").stdout)
    different = node.run("diff", "-f", path, check=False)
    assert (different.returncode, '+  a: "3"' in different.stdout) == (1, True)
    assert node.run("replace", "-f", path).stdout == "configmap/c replaced\n"
    assert node.run("get", "cm", "c", "-o", "jsonpath={.data}{.metadata.labels}").stdout == '{"a":"3"}'
    assert node.run("delete", "cm", "--all", "--dry-run=server").stdout == 'configmap "c" deleted (server dry run)\n'
    assert node.run("delete", "-f", path).stdout == 'configmap "c" deleted\n'


def test_a_pod_is_waited_for_from_its_coming_to_its_going(node: Instance) -> None:
    node.apply(manifests.pod("waited", labels={"app": "w"}))
    for wish in ("create", "condition=Ready", "jsonpath={.status.podIP}", "jsonpath={.status.phase}=Running"):
        assert node.run("wait", "pod/waited", f"--for={wish}").stdout == "pod/waited condition met\n"
    found = node.run("get", "pods", "-l", "app=w", "-o", "custom-columns=N:.metadata.name,P:.status.phase").stdout
    assert found == "N        P\nwaited   Running\n"
    assert "Pod/waited" in node.run("events", "--for", "pod/waited").stdout
    node.run("delete", "pod", "waited", "--wait=false")
    assert node.run("wait", "pod/waited", "--for=delete").returncode == 0
