"""What a group may use, and Kubernetes' formulas for it. Pure: no file is touched here.

Formulas: kubelet `pkg/kubelet/cm/helpers_linux.go`; cpu.weight as runc 1.3.2, crun 1.23 and Kubernetes 1.35 compute it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

MIN_SHARES = 2
MAX_SHARES = 262144
MIN_QUOTA_US = 1000
DEFAULT_PERIOD_US = 100_000

Amount = int | Literal["max"] | None
"""A number; "max" writes "no limit", also over an earlier number; None leaves what the kernel has."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The knobs of one group, in cgroup v2's words (Documentation/admin-guide/cgroup-v2.rst). Bytes and microseconds.

    None always means: not written. The processor's part is kept as cpu.shares (2 to 262144), because Kubernetes
    defines requests on that scale and the way back from cpu.weight loses digits; on v2 it becomes cpu.weight by
    `weight_from_shares`. Without a counterpart on v1, and not written there: memory_high, memory_min,
    memory_oom_group (v1 kills one process).
    """

    cpu_shares: int | None = None
    cpu_quota_us: Amount = None
    """Processor time per period."""
    cpu_period_us: int = DEFAULT_PERIOD_US
    """Written together with the quota only."""
    memory_max: Amount = None
    memory_high: Amount = None
    memory_min: Amount = None
    memory_swap_max: Amount = None
    """Swap alone, as v2 counts it. v1 counts memory + swap: it is written there only together with memory_max."""
    memory_oom_group: bool | None = None
    pids_max: Amount = None
    cpuset_cpus: str | None = None
    """A list such as "0-2,7"; "" gives back the parent's processors."""
    hugetlb: dict[str, int] = field(default_factory=dict)
    """Bytes in huge pages by their size in the kernel's word, `huge_page_word`; left out without the controller."""


def shares_from_milli_cpu(milli: int) -> int:
    """cpu.shares of a CPU request in thousandths of a processor: at least 2, at most 262144."""
    return min(max(milli * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def weight_from_shares(shares: int) -> int:
    """cpu.weight (1 to 10000) of cpu.shares: 2 -> 1, 1024 -> 100, 262144 -> 10000, a quadratic in log2 between them."""
    if shares <= MIN_SHARES:
        return 1
    if shares >= MAX_SHARES:
        return 10000
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def quota_from_milli_cpu(milli: int, period_us: int = DEFAULT_PERIOD_US) -> int:
    """Microseconds per period of a CPU limit in thousandths of a processor; the kernel takes no less than 1000."""
    return max(milli * period_us // 1000, MIN_QUOTA_US)


def loosest(one: Limits, other: Limits) -> Limits:
    """What both of them fit into; of what only one says, that."""

    def looser(first: Amount, second: Amount) -> Amount:
        if "max" in (first, second):
            return "max"
        given = [each for each in (first, second) if isinstance(each, int)]
        return max(given) if given else None

    named = {
        name: looser(getattr(one, name), getattr(other, name))
        for name in ("cpu_shares", "cpu_quota_us", "memory_max", "memory_high", "memory_swap_max", "pids_max")
    }
    return replace(other, **named)  # type: ignore[arg-type]


def huge_page_word(size: int) -> str:
    """How hugetlb's files call pages of `size` bytes: 64KB, 2MB, 1GB."""
    for bits, unit in ((30, "GB"), (20, "MB"), (10, "KB")):
        if size >= 1 << bits:
            return f"{size >> bits}{unit}"
    return f"{size}B"


def from_resources(
    *,
    cpu_request_milli: int | None,
    cpu_limit_milli: int | None,
    memory_limit: int | None,
    pids_max: int | None = None,
    oom_group: bool | None = None,
) -> Limits:
    """The limits of a container, or of a pod given its sums, as a kubelet sets them. Bytes; 0 and None both mean "not
    given".

    A CPU limit alone counts as the request; neither gives the smallest share. Swap is off (the kubelet's NoSwap).
    What is not limited is written as "max", so that the same call serves a resize in place.
    """
    request = cpu_limit_milli if cpu_request_milli is None else cpu_request_milli
    return Limits(
        cpu_shares=shares_from_milli_cpu(request or 0),
        cpu_quota_us=quota_from_milli_cpu(cpu_limit_milli) if cpu_limit_milli else "max",
        memory_max=memory_limit or "max",
        memory_swap_max=0,
        memory_oom_group=oom_group,
        pids_max=pids_max,
    )
