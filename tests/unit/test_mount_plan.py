"""Which part of which volume a container gets, how, and what the kubelet says where it can't be."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.api import objects
from podrun.container.plan import Bind, Propagation
from podrun.errors import PodrunError
from podrun.kubelet import mount_plan, places
from podrun.kubelet.mount_plan import Source
from podrun.linux import mountinfo
from podrun.paths import Paths


def bind(variables: dict[str, str] | None = None, source: Source | None = None, **fields: Any) -> Bind:
    mount = objects.VolumeMount(name="v", mount_path="/data", **fields)
    spec = objects.Container(name="c", volume_mounts=(mount,))
    place = places.place_of(objects.Pod(metadata=objects.ObjectMeta(uid="u")), Paths(), "/podrun")
    plan = mount_plan.mounts(spec, 0, {"v": source or Source("/srv")}, place, variables or {})
    return next(item for item in plan if isinstance(item, Bind) and item.target == "/data")


def refusal(variables: dict[str, str] | None = None, **fields: Any) -> str:
    with pytest.raises(PodrunError) as caught:
        bind(variables, **fields)
    return str(caught.value)


def test_a_subpath_is_taken_as_it_is_and_an_expression_from_the_containers_variables() -> None:
    assert bind(sub_path="a/$(B)").subpath == "a/$(B)"
    assert bind({"B": "b", "C": "c"}, sub_path_expr="a/$(B)-$(C)/$$(B)").subpath == "a/b-c/$(B)"


def test_an_expression_with_unknown_or_empty_variables_is_an_error_that_names_them() -> None:
    assert refusal({"EMPTY": ""}, sub_path_expr="$(Z)/$(EMPTY)/$(A)") == "missing value for A, EMPTY, Z"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/etc", "error SubPath `/etc` must not be an absolute path"),
        ("../up", "unable to provision SubPath `../up`: must not contain '..'"),
        ("a/..", "unable to provision SubPath `a/..`: must not contain '..'"),
    ],
)
def test_a_variable_cannot_lead_a_subpath_out_of_the_volume(value: str, text: str) -> None:
    assert refusal({"V": value}, sub_path_expr="$(V)") == text
    assert bind({"V": "..a"}, sub_path_expr="$(V)").subpath == "..a"


def test_a_volume_that_nobody_made_is_named() -> None:
    spec = objects.Container(name="c", volume_mounts=(objects.VolumeMount(name="v", mount_path="/d"),))
    with pytest.raises(PodrunError, match='cannot find volume "v" to mount into container "c"'):
        mount_plan.source_of(spec, spec.volume_mounts[0], {})


def test_read_only_reaches_what_is_mounted_below_only_if_asked() -> None:
    assert bind(read_only=True) == Bind("/srv", "/data", readonly=True)
    for word in ("Enabled", "IfPossible"):
        assert bind(read_only=True, recursive_read_only=word) == Bind(
            "/srv", "/data", readonly=True, readonly_recursive=True
        )
    assert not bind(read_only=True, recursive_read_only="Disabled").readonly_recursive
    assert bind(source=Source("/srv", readonly=True)).readonly


def test_propagation_in_the_kernels_words() -> None:
    assert bind().propagation is Propagation.PRIVATE
    assert bind(mount_propagation="None").propagation is Propagation.PRIVATE
    assert bind(mount_propagation="HostToContainer").propagation is Propagation.SLAVE
    assert bind(mount_propagation="Bidirectional").propagation is Propagation.SHARED


def test_the_mount_that_a_path_lies_in_is_the_topmost_of_the_longest() -> None:
    rows = list(
        mountinfo.parse(
            "1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw\n"
            "2 1 8:2 / /srv rw - ext4 /dev/sdb rw\n"
            "3 2 8:2 / /srv rw master:4 - ext4 /dev/sdb rw\n"
            "4 1 8:2 / /srv\\040a rw shared:9 propagate_from:2 - ext4 /dev/sdb rw\n"
        )
    )
    found = {path: mountinfo.mount_of(path, rows) for path in ("/", "/srvx", "/srv/x", "/srv a", "/srv a/b")}
    assert [row.optional if row else None for row in found.values()] == [
        ("shared:1",),
        ("shared:1",),
        ("master:4",),
        ("shared:9", "propagate_from:2"),
        ("shared:9", "propagate_from:2"),
    ]
    assert mountinfo.mount_of("/x", []) is None
