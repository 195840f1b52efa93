"""The machine's huge pages: which sizes there are, and how many pages of each are set aside."""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path("/sys/kernel/mm/hugepages")


def counts(directory: Path = DIRECTORY) -> dict[int, int]:
    """Pages set aside, by their size in bytes, smallest first; empty for a kernel without any."""
    found = {}
    for each in directory.glob("hugepages-*kB"):
        size = int(each.name.removeprefix("hugepages-").removesuffix("kB")) << 10
        found[size] = int((each / "nr_hugepages").read_text())
    return dict(sorted(found.items()))


def sizes_in_use() -> tuple[int, ...]:
    return tuple(size for size, count in counts().items() if count)
