"""Where volumes are, and how large the ones in memory may become."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import places, volume_places
from podrun.paths import Paths

MI = 1 << 20


def held(empty_dir: dict[str, Any], limits: dict[str, str] | None = None, **spec: Any) -> dict[str, str]:
    """Options of the one file system that is held; `fstype` among them."""
    source = objects.EmptyDirVolumeSource(**empty_dir)
    resources = objects.ResourceRequirements(limits=limits or {}, requests=limits or {})
    pod = objects.Pod(
        metadata=objects.ObjectMeta(uid="u"),
        spec=objects.PodSpec(
            containers=(objects.Container(name="c", resources=resources),),
            volumes=(objects.Volume(name="v", empty_dir=source),),
            **spec,
        ),
    )
    place = places.place_of(pod, Paths(), "/podrun")
    (found,) = volume_places.held(pod, place, 1000 * MI)
    assert volume_places.sources(pod, place)["v"].path == found.path == "/run/podrun/pods/u/held/v"
    return {**found.options, "fstype": found.fstype}


def test_memory_is_limited_by_the_least_of_machine_pod_and_size_limit() -> None:
    memory = {"medium": "Memory"}
    assert held(memory) == {"mode": "777", "size": str(1000 * MI), "fstype": "tmpfs"}
    assert held(memory, {"memory": "10Mi"})["size"] == str(10 * MI)
    assert held(memory | {"size_limit": "5Mi"}, {"memory": "10Mi"})["size"] == str(5 * MI)
    assert held(memory | {"size_limit": "0"})["size"] == str(1000 * MI)


def test_the_pods_group_owns_its_memory() -> None:
    context = objects.PodSecurityContext(fs_group=4711)
    options = held({"medium": "Memory"}, security_context=context)
    assert (options["mode"], options["gid"]) == ("2777", "4711")


def test_huge_pages_are_those_that_containers_ask_for() -> None:
    two = {"hugepages-2Mi": "4Mi"}
    assert held({"medium": "HugePages"}, two) == {"mode": "777", "pagesize": str(2 * MI), "fstype": "hugetlbfs"}
    both = two | {"hugepages-1Gi": "1Gi"}
    assert held({"medium": "HugePages-1Gi", "size_limit": "1Gi"}, both) == {
        "mode": "777",
        "pagesize": str(1 << 30),
        "size": str(1 << 30),
        "fstype": "hugetlbfs",
    }


@pytest.mark.parametrize(
    ("medium", "limits", "text"),
    [
        ("HugePages", {}, "hugePages storage requested, but there is no resource request for huge pages"),
        ("HugePages-1Gi", {"hugepages-2Mi": "2Mi"}, "hugePages storage requested, but there is no resource request"),
        ("HugePages", {"hugepages-2Mi": "2Mi", "hugepages-1Gi": "1Gi"}, "can't be used if container requests multiple"),
        ("HugePages-many", {"hugepages-2Mi": "2Mi"}, "unknown storage medium"),
        ("Tape", {}, 'unknown storage medium "Tape"'),
    ],
)
def test_a_medium_that_cannot_be_had_says_why(medium: str, limits: dict[str, str], text: str) -> None:
    with pytest.raises(PodrunError, match=text):
        held({"medium": medium}, limits)


def test_what_podrun_writes_is_held_in_one_place_and_read_only() -> None:
    kinds: list[dict[str, Any]] = [
        {"config_map": objects.ConfigMapVolumeSource(name="x")},
        {"secret": objects.SecretVolumeSource(secret_name="x")},
        {"downward_api": objects.DownwardAPIVolumeSource()},
        {"projected": objects.ProjectedVolumeSource()},
    ]
    volumes = tuple(objects.Volume(name=f"v{n}", **kind) for n, kind in enumerate(kinds))
    pod = objects.Pod(metadata=objects.ObjectMeta(uid="u"), spec=objects.PodSpec(volumes=volumes))
    place = places.place_of(pod, Paths(), "/podrun")
    (found,) = volume_places.held(pod, place, MI)
    for name, source in volume_places.sources(pod, place).items():
        assert (source.path, source.held, source.readonly) == (f"{found.path}/{name}", True, True)
    assert volume_places.held(objects.Pod(), place, MI) == ()
