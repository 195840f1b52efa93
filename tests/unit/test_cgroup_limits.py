"""Kubernetes' formulas, the knobs that limits become, and reading mountinfo: all without touching the kernel."""

from __future__ import annotations

import pytest

from cgroups import files, hierarchies, knobs, limits
from cgroups.errors import CgroupError
from cgroups.hierarchies import Mount, Mounts
from cgroups.knobs import Coupled, Knob
from cgroups.limits import Limits


@pytest.mark.parametrize(
    ("milli", "shares"),
    [(0, 2), (1, 2), (2, 2), (100, 102), (500, 512), (1000, 1024), (256_000, 262144), (10**6, 262144)],
)
def test_requests_become_shares(milli: int, shares: int) -> None:
    assert limits.shares_from_milli_cpu(milli) == shares


@pytest.mark.parametrize(
    ("shares", "weight"), [(0, 1), (2, 1), (3, 2), (102, 17), (512, 59), (1024, 100), (262144, 10000), (300000, 10000)]
)
def test_shares_become_weights_by_the_newer_formula(shares: int, weight: int) -> None:
    assert limits.weight_from_shares(shares) == weight


def test_weights_never_fall_as_shares_rise_and_stay_in_the_kernels_range() -> None:
    weights = [limits.weight_from_shares(shares) for shares in range(2, 262145, 97)]
    assert weights == sorted(weights)
    assert 1 <= weights[0] <= weights[-1] <= 10000


@pytest.mark.parametrize(("milli", "quota"), [(1, 1000), (10, 1000), (11, 1100), (500, 50_000), (2500, 250_000)])
def test_limits_become_quotas_of_a_period_and_never_less_than_the_kernel_takes(milli: int, quota: int) -> None:
    assert limits.quota_from_milli_cpu(milli) == quota


def test_resources_become_limits_as_a_kubelet_does_it() -> None:
    given = limits.from_resources(cpu_request_milli=250, cpu_limit_milli=500, memory_limit=1 << 20)
    assert given == Limits(cpu_shares=256, cpu_quota_us=50_000, memory_max=1 << 20, memory_swap_max=0)


@pytest.mark.parametrize(("request_milli", "limit_milli", "shares"), [(None, 500, 512), (0, 500, 2), (None, None, 2)])
def test_a_missing_request_is_the_limit_or_the_smallest_share(
    request_milli: int | None, limit_milli: int | None, shares: int
) -> None:
    given = limits.from_resources(cpu_request_milli=request_milli, cpu_limit_milli=limit_milli, memory_limit=None)
    assert given.cpu_shares == shares


@pytest.mark.parametrize("nothing", [None, 0])
def test_what_is_not_limited_is_written_as_max_so_that_a_resize_can_lift_it(nothing: int | None) -> None:
    given = limits.from_resources(cpu_request_milli=None, cpu_limit_milli=nothing, memory_limit=nothing)
    assert (given.cpu_quota_us, given.memory_max) == ("max", "max")


FULL = Limits(
    cpu_shares=1024, cpu_quota_us=50_000, memory_max=4096, memory_high=2048, memory_min=1024, memory_swap_max=0,
    memory_oom_group=True, pids_max=9,
)  # fmt: skip


def test_limits_become_the_files_of_v2() -> None:
    written = {k.file: k.value for c in ("cpu", "memory", "pids") for k in knobs.v2(c, FULL)}
    assert written == {
        "cpu.weight": "100", "cpu.max": "50000 100000", "memory.min": "1024", "memory.high": "2048",
        "memory.max": "4096", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "9",
    }  # fmt: skip


def test_limits_become_the_files_of_v1_with_memory_and_swap_counted_together() -> None:
    assert list(knobs.v1("cpu", FULL)) == [
        Knob("cpu", "cpu.shares", "1024"),
        Coupled(Knob("cpu", "cpu.cfs_period_us", "100000"), Knob("cpu", "cpu.cfs_quota_us", "50000")),
    ]
    assert list(knobs.v1("memory", Limits(memory_max=4096, memory_swap_max=1024))) == [
        Coupled(
            Knob("memory", "memory.limit_in_bytes", "4096"),
            Knob("memory", "memory.memsw.limit_in_bytes", "5120", optional=True),
        )
    ]
    assert list(knobs.v1("pids", Limits(pids_max="max"))) == [Knob("pids", "pids.max", "max")]


def test_lifted_limits_are_minus_one_on_v1() -> None:
    lifted = Limits(cpu_quota_us="max", memory_max="max", memory_swap_max=0)
    (cpu,) = knobs.v1("cpu", lifted)
    (memory,) = knobs.v1("memory", lifted)
    assert isinstance(cpu, Coupled)
    assert isinstance(memory, Coupled)
    assert (cpu.second.value, memory.first.value, memory.second.value) == ("-1", "-1", "-1")


@pytest.mark.parametrize("controller", ["cpu", "memory", "pids", "cpuset"])
def test_limits_that_say_nothing_write_nothing(controller: str) -> None:
    assert list(knobs.v2(controller, Limits())) == []
    assert list(knobs.v1(controller, Limits())) == []


HYBRID = """\
24 1 0:22 / /proc rw - proc proc rw
33 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 32 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
36 32 0:33 /docker/1 /mnt/with\\040space rw - cgroup cgroup rw,pids
37 32 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
38 32 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
39 32 0:38 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
"""


def test_mountinfo_tells_v2_and_the_hierarchy_of_each_v1_controller() -> None:
    mounts = hierarchies.parse_mountinfo(HYBRID)
    assert mounts.v2 == Mount("/sys/fs/cgroup/unified", "/")
    assert mounts.v1 == {
        "cpu": Mount("/sys/fs/cgroup/cpu,cpuacct", "/"),
        "memory": Mount("/sys/fs/cgroup/memory", "/"),
        "pids": Mount("/sys/fs/cgroup/pids", "/"),
    }
    (bound,) = hierarchies.parse_mountinfo(HYBRID.splitlines()[3]).v1.values()
    assert bound == Mount("/mnt/with space", "/docker/1")


def test_controllers_may_be_spread_over_v2_and_v1() -> None:
    found = hierarchies.arrange(hierarchies.parse_mountinfo(HYBRID), frozenset({"pids", "io", "cpuset"}))
    assert found.mode == "hybrid"
    assert found.v2_controllers == ("pids", "cpuset")
    assert set(found.v1_controllers) == {"cpu", "memory"}
    assert found.v1_points == ("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory")


def test_co_mounted_controllers_need_one_directory() -> None:
    both = {c: Mount("/cg/all", "/") for c in ("cpu", "memory", "pids")}
    assert hierarchies.arrange(Mounts(Mount("/cg/v2", "/"), both), frozenset()).v1_points == ("/cg/all",)


def test_all_controllers_on_v2_is_mode_v2() -> None:
    found = hierarchies.arrange(Mounts(Mount("/sys/fs/cgroup", "/"), {}), frozenset({"cpu", "memory", "pids"}))
    assert (found.mode, found.v1_points, found.has("cpuset")) == ("v2", (), False)


def test_a_controller_that_is_nowhere_is_named() -> None:
    with pytest.raises(CgroupError, match="no memory controller") as raised:
        hierarchies.arrange(Mounts(Mount("/sys/fs/cgroup", "/"), {}), frozenset({"cpu", "pids"}))
    assert raised.value.hint is not None


def test_a_machine_without_cgroup2_is_told_how_to_mount_it() -> None:
    with pytest.raises(CgroupError, match="no cgroup2 file system is mounted") as raised:
        hierarchies.arrange(Mounts(None, {}), frozenset())
    assert "mount -t cgroup2" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("line", "root", "group"),
    [
        ("0::/system.slice/podrun.service", "/", "/system.slice/podrun.service"),
        ("0::/docker/1/inner", "/docker/1", "/inner"),
        ("0::/docker/1", "/docker/1", "/"),
        ("0::/docker/12", "/docker/1", "/"),
        ("0::/../outside", "/", "/"),
    ],
)
def test_the_own_group_is_relative_to_the_mount_point(line: str, root: str, group: str) -> None:
    assert hierarchies.parse_membership(f"3:cpu:/x\n{line}\n", Mount("/sys/fs/cgroup", root)) == group


def test_keyed_files_are_read_and_foreign_lines_passed_over() -> None:
    assert files.keyed("populated 1\nfrozen 0\nsome avg10=0.00 total=0\n\n") == {"populated": 1, "frozen": 0}
