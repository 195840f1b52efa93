"""How errors of fields and of the API itself are worded, and the names that objects have in JSON."""

from __future__ import annotations

import pytest

from podrun.api import field_errors, kinds, objects, status_errors
from podrun.api.field_errors import FieldError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (field_errors.required("a.b"), "a.b: Required value"),
        (field_errors.required("a.b", "why"), "a.b: Required value: why"),
        (field_errors.invalid("a", 'x"y', "why"), 'a: Invalid value: "x\\"y": why'),
        (field_errors.invalid("a", 3, "why"), "a: Invalid value: 3: why"),
        (field_errors.invalid("a", False, "why"), "a: Invalid value: false: why"),
        (field_errors.invalid("a", ("x", "y"), "why"), 'a: Invalid value: ["x","y"]: why'),
        (field_errors.duplicate("a", "x"), 'a: Duplicate value: "x"'),
        (field_errors.not_found("a", "x"), 'a: Not found: "x"'),
        (field_errors.not_supported("a", "x", ("y", "z")), 'a: Unsupported value: "x": supported values: "y", "z"'),
        (field_errors.forbidden("a", "why"), "a: Forbidden: why"),
        (field_errors.too_long("a", 5), "a: Too long: may not be more than 5 bytes"),
        (field_errors.too_many("a", 5, 3), "a: Too many: 5: must have at most 3 items"),
    ],
)
def test_a_field_error_has_kubernetes_form(error: FieldError, text: str) -> None:
    assert str(error) == text


def test_one_error_stands_alone_and_several_in_brackets_each_once() -> None:
    first, second = field_errors.required("a"), field_errors.required("b")
    assert field_errors.aggregate([first]) == "a: Required value"
    assert field_errors.aggregate([first, second, first]) == "[a: Required value, b: Required value]"


def test_an_error_answers_with_its_status() -> None:
    assert kinds.to_json(status_errors.not_found("pods", "web").status()) == (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \\"web\\" not found",'
        b'"reason":"NotFound","details":{"name":"web","kind":"pods"},"code":404}'
    )


@pytest.mark.parametrize(
    ("type_", "names"),
    [
        (objects.PodSpec, {"hostPID", "hostIPC", "setHostnameAsFQDN", "dnsPolicy", "shareProcessNamespace"}),
        (objects.PodStatus, {"podIP", "podIPs", "hostIP", "hostIPs", "qosClass"}),
        (objects.ContainerStatus, {"containerID", "imageID", "restartCount", "lastState"}),
        (objects.ContainerPort, {"hostIP", "hostPort", "containerPort"}),
        (objects.Volume, {"downwardAPI", "scaleIO", "awsElasticBlockStore", "hostPath", "emptyDir"}),
        (objects.NodeSystemInfo, {"machineID", "systemUUID", "bootID", "osImage"}),
        (objects.NodeSpec, {"podCIDR", "podCIDRs", "providerID"}),
        (objects.SecurityContext, {"seLinuxOptions", "runAsNonRoot", "procMount"}),
    ],
)
def test_fields_have_kubernetes_names_in_json(type_: type[objects.KubeStruct], names: set[str]) -> None:
    assert names <= set(type_.__struct_encode_fields__)


def test_a_resource_is_found_by_all_its_names() -> None:
    assert {kinds.find_resource(word) for word in ("pods", "Pod", "po")} == {kinds.find("v1", "Pod")}
    assert kinds.find_resource("ships") is None
