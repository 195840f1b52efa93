"""Which files carry which limit on cgroup v2 and on v1, and in what order; cpusets apart. Pure: `group` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cgroups.limits import Amount, Limits, weight_from_shares


@dataclass(frozen=True, slots=True)
class Knob:
    """One value for one file. `optional`: kernels without it (no swap, older than 4.19) do without."""

    controller: str
    file: str
    value: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Coupled:
    """Two v1 files of which the kernel checks one against the other: a raise and a cut need opposite orders."""

    first: Knob
    second: Knob


def _given(*knobs: tuple[str, str, Amount, bool]) -> Iterator[Knob]:
    for controller, file, amount, optional in knobs:
        if amount is not None:
            yield Knob(controller, file, str(amount), optional)


def v2(controller: str, limits: Limits) -> Iterator[Knob]:
    """What `limits` asks of one controller on v2."""
    match controller:
        case "cpu":
            if limits.cpu_shares is not None:
                yield Knob("cpu", "cpu.weight", str(weight_from_shares(limits.cpu_shares)))
            if limits.cpu_quota_us is not None:
                yield Knob("cpu", "cpu.max", f"{limits.cpu_quota_us} {limits.cpu_period_us}")
        case "memory":
            group = limits.memory_oom_group
            yield from _given(
                ("memory", "memory.min", limits.memory_min, False),
                ("memory", "memory.high", limits.memory_high, False),
                ("memory", "memory.swap.max", limits.memory_swap_max, True),
                ("memory", "memory.max", limits.memory_max, False),
                ("memory", "memory.oom.group", None if group is None else int(group), True),
            )
        case "pids":
            yield from _given(("pids", "pids.max", limits.pids_max, False))
        case "hugetlb":
            for word, amount in limits.hugetlb.items():
                yield Knob("hugetlb", f"hugetlb.{word}.max", str(amount))


def _v1_number(amount: int | str) -> str:
    return "-1" if amount == "max" else str(amount)


def v1(controller: str, limits: Limits) -> Iterator[Knob | Coupled]:
    """The same on v1 (Documentation/admin-guide/cgroup-v1). What v1 cannot say is left out: see Limits."""
    match controller:
        case "cpu":
            if limits.cpu_shares is not None:
                yield Knob("cpu", "cpu.shares", str(limits.cpu_shares))
            if limits.cpu_quota_us is not None:
                # A child's quota/period may not pass its parent's, not even between these two writes.
                yield Coupled(
                    Knob("cpu", "cpu.cfs_period_us", str(limits.cpu_period_us)),
                    Knob("cpu", "cpu.cfs_quota_us", _v1_number(limits.cpu_quota_us)),
                )
        case "memory" if limits.memory_max is not None:
            memory, swap = limits.memory_max, limits.memory_swap_max
            limit = Knob("memory", "memory.limit_in_bytes", _v1_number(memory))
            if swap is None:
                yield limit
            else:
                total = "max" if memory == "max" or swap == "max" else memory + swap
                yield Coupled(limit, Knob("memory", "memory.memsw.limit_in_bytes", _v1_number(total), optional=True))
        case "pids" if limits.pids_max is not None:
            yield Knob("pids", "pids.max", str(limits.pids_max))
        case "hugetlb":
            for word, amount in limits.hugetlb.items():
                yield Knob("hugetlb", f"hugetlb.{word}.limit_in_bytes", str(amount))
