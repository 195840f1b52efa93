"""`python -m cgroups`: where this machine keeps its controllers, and what the caller's own group may use."""

from __future__ import annotations

import sys

from cgroups import files, hierarchies
from cgroups.errors import CgroupError
from cgroups.hierarchies import Hierarchies

SHOWN = ("cpu.weight", "cpu.max", "memory.max", "memory.high", "pids.max", "cpuset.cpus.effective")


def report(arrangement: Hierarchies) -> list[str]:
    own = hierarchies.own_group(arrangement)
    lines = [f"mode    {arrangement.mode}", f"v2      {arrangement.unified.point}"]
    for controller in hierarchies.NEEDED + hierarchies.ON_DEMAND:
        if arrangement.has(controller):
            where = arrangement.v1_controllers.get(controller)
            lines.append(f"{controller:<7} {'v2' if where is None else f'v1 {where}'}")
    lines.append(f"own     {own}")
    for file in SHOWN:
        try:
            value = files.read(f"{arrangement.unified.point}{own.rstrip('/')}/{file}")
        except OSError:
            continue
        lines.append(f"        {file} {value.strip()}")
    return lines


def main() -> int:
    try:
        print("\n".join(report(hierarchies.detect())))
    except CgroupError as error:
        print(f"error: {error}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
