"""What a group has used: processor, memory, processes, and OOM kills. Read from v2 or v1, whichever has the
controller."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from cgroups import files


@dataclass(frozen=True, slots=True)
class Stats:
    """One reading of a group and all below it. Microseconds and bytes; None where this kernel does not count it."""

    cpu_usage_us: int
    cpu_user_us: int
    cpu_system_us: int
    cpu_throttled_periods: int
    cpu_throttled_us: int
    memory_usage: int
    memory_working_set: int
    """Usage without the file pages that are first to go (inactive_file): what `kubectl top` shows."""
    memory_rss: int
    memory_peak: int | None
    pids: int


def _optional(path: str) -> str | None:
    try:
        return files.read(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
            return None
        raise


def _number(path: str) -> int | None:
    text = _optional(path)
    return None if text is None else int(text)


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of one group: in v2, and in the v1 hierarchies of cpu, memory and pids (None: the controller is
    on v2)."""

    v2: str
    cpu_v1: str | None
    memory_v1: str | None
    pids_v1: str | None

    def read(self) -> Stats:
        """All figures now. Raises FileNotFoundError for a group that is gone."""
        # usage, user and system are counted for every v2 group, even where the controller sits on v1 (since Linux
        # 4.15).
        cpu = files.keyed(files.read(f"{self.v2}/cpu.stat"))
        throttled = cpu if self.cpu_v1 is None else files.keyed(files.read(f"{self.cpu_v1}/cpu.stat"))
        usage, inactive, rss, peak = self._memory()
        return Stats(
            cpu_usage_us=cpu["usage_usec"],
            cpu_user_us=cpu["user_usec"],
            cpu_system_us=cpu["system_usec"],
            cpu_throttled_periods=throttled.get("nr_throttled", 0),
            cpu_throttled_us=throttled.get("throttled_usec", throttled.get("throttled_time", 0) // 1000),
            memory_usage=usage,
            memory_working_set=max(usage - inactive, 0),
            memory_rss=rss,
            memory_peak=peak,
            pids=_number(f"{self.pids_v1 or self.v2}/pids.current") or 0,
        )

    def _memory(self) -> tuple[int, int, int, int | None]:
        """Usage, inactive file pages, anonymous memory, peak."""
        if self.memory_v1 is not None:
            stat = files.keyed(files.read(f"{self.memory_v1}/memory.stat"))
            usage = int(files.read(f"{self.memory_v1}/memory.usage_in_bytes"))
            peak = int(files.read(f"{self.memory_v1}/memory.max_usage_in_bytes"))
            return usage, stat["total_inactive_file"], stat["total_rss"], peak
        stat = files.keyed(files.read(f"{self.v2}/memory.stat"))
        usage = int(files.read(f"{self.v2}/memory.current"))
        return usage, stat["inactive_file"], stat["anon"], _number(f"{self.v2}/memory.peak")

    def oom_kills(self) -> int:
        """Processes that the OOM killer took. On v2 with those of groups below; v1 counts in the victim's own group
        only."""
        if self.memory_v1 is not None:
            return files.keyed(files.read(f"{self.memory_v1}/memory.oom_control")).get("oom_kill", 0)
        return files.keyed(files.read(f"{self.v2}/memory.events"))["oom_kill"]
