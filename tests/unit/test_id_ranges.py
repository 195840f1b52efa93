"""Which ids the user namespaces of pods have: never the machine's, never another pod's, the same after a restart."""

from __future__ import annotations

from pathlib import Path

from podrun.api import objects
from podrun.container.plan import Held
from podrun.kubelet import id_ranges, mount_plan, places, planner, resources, sysctls, volume_places
from podrun.kubelet.id_ranges import IdRanges
from podrun.kubelet.mount_plan import Source
from podrun.paths import Paths

ID_COUNT = 65536


def a_pod(uid: str, *volumes: objects.Volume, host_users: bool | None = False, group: int | None = None) -> objects.Pod:
    context = objects.PodSecurityContext(fs_group=group)
    spec = objects.PodSpec(host_users=host_users, volumes=volumes, security_context=context)
    return objects.Pod(metadata=objects.ObjectMeta(uid=uid), spec=spec)


def test_each_pod_has_a_range_of_its_own_and_the_machines_users_none(tmp_path: Path) -> None:
    ranges = IdRanges(tmp_path / "absent")
    assert [ranges.first_id(a_pod(uid)) for uid in ("a", "b", "a")] == [ID_COUNT, 2 * ID_COUNT, ID_COUNT]
    assert [ranges.first_id(a_pod("c", host_users=wish)) for wish in (None, True)] == [0, 0]
    ranges.release("a")
    assert [ranges.first_id(a_pod(uid)) for uid in ("d", "e")] == [ID_COUNT, 3 * ID_COUNT]
    assert id_ranges.lowest_free({ID_COUNT, 3 * ID_COUNT}) == 2 * ID_COUNT


def test_what_users_of_the_machine_have_for_containers_of_their_own_is_left_to_them(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text("me:100000:65536\n# none\nbroken:x:1\n\nother:400000:1\n")
    reserved = id_ranges.subordinate_ids((file, tmp_path / "absent"))
    assert reserved == (range(100000, 165536), range(400000, 400001))
    assert id_ranges.lowest_free(set(), reserved) == 3 * ID_COUNT
    assert id_ranges.lowest_free({3 * ID_COUNT, 4 * ID_COUNT, 5 * ID_COUNT}, reserved) == 7 * ID_COUNT


def test_the_next_kubelet_finds_what_was_kept(tmp_path: Path) -> None:
    id_ranges.keep(tmp_path / "b", 2 * ID_COUNT)
    id_ranges.keep(tmp_path / "b", 5 * ID_COUNT)  # a second time changes nothing
    id_ranges.keep(tmp_path / "c", 0)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / id_ranges.FILE).write_text("none")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b", "broken"]
    ranges = IdRanges(tmp_path)
    assert [ranges.first_id(a_pod(uid)) for uid in ("a", "b", "c")] == [ID_COUNT, 2 * ID_COUNT, 3 * ID_COUNT]


def test_what_dies_with_the_pod_is_owned_by_its_ids_and_the_rest_is_mapped() -> None:
    pod = a_pod(
        "u",
        objects.Volume(name="disk", empty_dir=objects.EmptyDirVolumeSource()),
        objects.Volume(name="memory", empty_dir=objects.EmptyDirVolumeSource(medium="Memory")),
        objects.Volume(name="files", config_map=objects.ConfigMapVolumeSource(name="c")),
        objects.Volume(name="host", host_path=objects.HostPathVolumeSource(path="/srv")),
        group=4000,
    )
    place = places.place_of(pod, Paths(), "/podrun", ID_COUNT)
    sources = volume_places.sources(pod, place)
    assert {name: (source.owner, source.idmapped) for name, source in sources.items()} == {
        "disk": (ID_COUNT, False),
        "memory": (ID_COUNT, False),
        "files": (ID_COUNT, False),
        "host": (0, True),
    }
    owners = {"uid": "65536", "gid": str(ID_COUNT + 4000)}
    memory, written = volume_places.held(pod, place, 1 << 20)
    assert memory.options == {"mode": "2777", "size": str(1 << 20)} | owners
    assert written == Held(written.path, options={"mode": "755", "uid": "65536", "gid": "65536"}, wishes={"noswap": ""})
    spec = objects.Container(name="c", volume_mounts=(objects.VolumeMount(name="host", mount_path="/h"),))
    mounts = mount_plan.mounts(spec, 0, sources, place, {})
    assert [mount.target for mount in mounts if getattr(mount, "idmapped", False)] == ["/h"]


def test_the_sandbox_knows_its_ids_and_lets_all_of_them_ping() -> None:
    pod = a_pod("u")
    place = places.place_of(pod, Paths(), "/podrun", ID_COUNT)
    plan = planner.sandbox_plan(pod, 1, place, "u", resources.Node(1 << 30, "/layers"))
    assert plan.first_id == ID_COUNT
    assert plan.sysctls["net.ipv4.ping_group_range"] == "0 65535"
    assert sysctls.values(a_pod("u", host_users=None).spec)["net.ipv4.ping_group_range"] == "0 2147483647"


def test_a_source_asks_for_nothing_by_default() -> None:
    assert (Source("/x").owner, Source("/x").idmapped) == (0, False)
